/** A body as JSON: flattened for the tree and formatted; in a worker when it is large. */
import { onBeforeUnmount, shallowRef, watch } from 'vue'
import { at, readJson, type JsonAnswer, type JsonNode } from '@/lib/jsonTree'

const INLINE_SIGNS = 256_000

export function useJson(text: () => string | null) {
  const nodes = shallowRef<JsonNode[] | null>(null)
  const pretty = shallowRef<string | null>(null)
  const failure = shallowRef<string | null>(null)
  let worker: Worker | null = null

  function take(answer: JsonAnswer) {
    nodes.value = answer.nodes
    pretty.value = answer.pretty
    failure.value = answer.failure
  }

  watch(
    text,
    (source) => {
      if (source === null) return
      if (source.length <= INLINE_SIGNS) return take(readJson(source))
      worker ??= new Worker(new URL('../../workers/json.ts', import.meta.url), { type: 'module' })
      worker.onmessage = (message: MessageEvent<JsonAnswer>) => take(message.data)
      worker.postMessage(source)
    },
    { immediate: true },
  )
  onBeforeUnmount(() => worker?.terminate())

  return { nodes, pretty, failure, at: (path: (string | number)[]) => at(JSON.parse(text() ?? 'null'), path) }
}
