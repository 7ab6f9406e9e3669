/**
 * A component that loads when it is first drawn, and tries again when that fails: the keeper, which serves the page's
 * files, may be starting anew.
 */
import { defineAsyncComponent, type Component } from 'vue'

const TRIES = 6
const PAUSE_MS = 400

export function lazy<T extends Component>(load: () => Promise<{ default: T }>) {
  return defineAsyncComponent<T>({
    loader: async () => (await load()).default,
    onError: (_error, retry, fail, attempts) => {
      if (attempts < TRIES) setTimeout(retry, PAUSE_MS * attempts)
      else fail()
    },
  })
}
