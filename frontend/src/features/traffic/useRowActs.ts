/** What a press or a key does in the list. Knows the list, the cursor and the URL; draws nothing. */
import { computed, ref, type Ref } from 'vue'
import { useRouter } from 'vue-router'
import type { MenuItem } from '@/components/UiMenu.vue'
import type { SortKey } from '@/lib/group'
import { useActions } from '@/stores/actions'
import { usePreferences } from '@/stores/preferences'
import { useToasts } from '@/stores/toasts'
import { useTraffic } from '@/stores/traffic'
import { t } from '@/strings'
import { rowMenu } from './rowMenu'
import type { useCursor } from './useCursor'
import type { useLines } from './useLines'
import { useTrafficKeys } from './useTrafficKeys'
import type { useTrafficUrl } from './useTrafficUrl'

interface Parts {
  url: ReturnType<typeof useTrafficUrl>
  list: ReturnType<typeof useLines>
  cursor: ReturnType<typeof useCursor>
  grid: Ref<{ reveal: (position: number) => void; toTop: () => void; pageRows: () => number } | null>
  toolbar: Ref<{ focusQuery: () => void; focusHighlight: () => void } | null>
}

const PEEK_AFTER_MS = 60
/** This near to the end of what is loaded, the next page is asked for. */
const OLDER_WITHIN = 80

export function useRowActs({ url, list, cursor, grid, toolbar }: Parts) {
  const { q, peek, sort, isHere } = url
  const router = useRouter()
  const traffic = useTraffic()
  const preferences = usePreferences().values
  const actions = useActions()
  const toasts = useToasts()
  const menu = ref<{ x: number; y: number; items: MenuItem[] } | null>(null)
  /** What an act is about: the selection, or the row under the cursor. */
  const concerned = computed(() => {
    const ids = cursor.selected.value.size ? [...cursor.selected.value] : [cursor.cursor.value]
    return ids.filter((id): id is string => id !== null && !id.startsWith('group:'))
  })
  let peekTimer: ReturnType<typeof setTimeout> | undefined

  function follow(id: string | null) {
    if (!id) return
    const position = list.positionOf(id)
    grid.value?.reveal(position)
    clearTimeout(peekTimer)
    if (peek.value && !id.startsWith('group:')) peekTimer = setTimeout(() => (peek.value = id), PEEK_AFTER_MS)
    if (list.lines.value.length - position < OLDER_WITHIN) void traffic.loadOlder()
  }

  function open(id: string | null) {
    if (id?.startsWith('group:')) list.toggleGroup(id.slice(6))
    else if (id)
      void router.push({ path: `/traffic/${id}`, query: { from: router.currentRoute.value.fullPath } })
  }

  function press(id: string, event: MouseEvent) {
    if (event.shiftKey) return cursor.extendTo(id)
    if (event.metaKey || event.ctrlKey) return cursor.toggle(id)
    cursor.cursor.value = id
    peek.value = id
  }

  /** Falling, then rising, then back to newest first. */
  function sortBy(key: SortKey) {
    const isSame = sort.value.key === key
    if (key === 'time') sort.value = { key, isRising: isSame && !sort.value.isRising }
    else if (isSame && sort.value.isRising) sort.value = { key: 'time', isRising: false }
    else sort.value = { key, isRising: isSame }
  }

  function newest() {
    traffic.release()
    grid.value?.toTop()
    const id = cursor.moveTo(0)
    if (peek.value && id) follow(id)
  }

  function remove() {
    const ids = concerned.value
    const place = cursor.position.value
    if (peek.value && ids.includes(peek.value)) peek.value = null
    void actions.remove(ids).then(() => cursor.moveTo(place))
    cursor.clear()
  }

  function openMenu(id: string, x: number, y: number) {
    const row = traffic.window().byId(id)
    if (!row) return
    cursor.cursor.value = id
    const items = rowMenu(row, {
      open: () => open(id),
      peek: () => (peek.value = id),
      select: () => cursor.toggle(id),
      remove,
      setQuery: (value) => (q.value = value),
      query: q.value,
      actions,
    })
    menu.value = { x, y, items }
  }

  useTrafficKeys({
    isActive: () => isHere.value,
    moveBy: (steps) => follow(cursor.moveBy(steps)),
    page: (direction) => follow(cursor.moveBy(direction * (grid.value?.pageRows() ?? 10))),
    last: () => follow(cursor.moveTo(list.lines.value.length - 1)),
    peek: () => (peek.value = peek.value ? null : (cursor.cursor.value ?? cursor.moveTo(0))),
    open: () => open(cursor.cursor.value),
    escape: () => (peek.value ? (peek.value = null) : cursor.clear()),
    select: () => cursor.cursor.value && cursor.toggle(cursor.cursor.value),
    extend: (steps) => (cursor.extendBy(steps), grid.value?.reveal(cursor.position.value)),
    pause: () => (traffic.isPaused = !traffic.isPaused),
    newest,
    remove,
    clear: () => (traffic.clearView(), toasts.show(t.traffic.clearedView)),
    focusQuery: () => toolbar.value?.focusQuery(),
    focusHighlight: () => toolbar.value?.focusHighlight(),
    toggleRail: () => (preferences.railOpen = !preferences.railOpen),
  })

  return { open, press, sortBy, newest, remove, openMenu, menu }
}
