/**
 * The list of exchanges that answers the current query, kept up to date.
 *
 * Without a filter, live rows come with the events; with one, the server is asked what changed, since it alone
 * evaluates the query language. While the reader is not at the top, or has paused, new rows wait in `held`.
 * Nothing that happens while a list is being read is lost: what came meanwhile is asked for when the list stands.
 */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { ApiError, countExchanges, listChanges, listExchanges } from '@/api/client'
import type { Count, Page, Problem, Progress, Removed, Row } from '@/api/types'
import type { FeedEvent } from '@/lib/eventFeed'
import { RowWindow } from '@/lib/rowWindow'
import { isEnded, RunningRows } from '@/lib/runningRows'
import { throttle } from '@/lib/throttle'

const REASK_MS = 700
const HELD_LIMIT = 20_000

export const useTraffic = defineStore('traffic', () => {
  let window_ = new RowWindow()
  const version = shallowRef(0)
  /** The query that the list answers: the last valid one. */
  const query = ref('')
  const queryProblem = ref<Problem | null>(null)
  const isLoading = ref(false)
  const isFirst = ref(true)
  const failure = ref<ApiError | Error | null>(null)
  const nextCursor = ref<string | null>(null)
  const isLoadingOlder = ref(false)
  const total = shallowRef<Count | null>(null)
  const isPaused = ref(false)
  const isAtTop = ref(true)
  /** Ordered by something else than time: new rows wait. */
  const isSorted = ref(false)
  const heldCount = ref(0)
  const liveRates = new Map<string, number>()

  let sinceSeq = 0
  /** The query that was asked for last; null before anybody asked. */
  let wanted: string | null = null
  /** Something happened while the list was being read. */
  let isBehind = false
  /** Rows up to this id were cleared from view. */
  let clearedUpTo = ''
  const held = new Map<string, Row>()
  const running = new RunningRows()
  let loading: AbortController | null = null
  let catchingUp: Promise<void> = Promise.resolve()

  const isHolding = computed(() => isPaused.value || !isAtTop.value || isSorted.value)

  function touch() {
    version.value++
  }

  async function load(text: string): Promise<void> {
    wanted = text
    loading?.abort()
    const mine = (loading = new AbortController())
    isLoading.value = true
    try {
      const page = await listExchanges(text, null, mine.signal)
      if (mine.signal.aborted) return
      show(page, text)
      if (page.items.length < 50 && page.next_cursor) void loadOlder()
      void refreshTotal(text, mine.signal)
    } catch (error) {
      if (mine.signal.aborted) return
      if (error instanceof ApiError && error.status === 400) queryProblem.value = error.problem
      else failure.value = error as Error
    } finally {
      if (loading === mine) settle()
    }
  }

  function show(page: Page, text: string) {
    window_ = new RowWindow()
    clearedUpTo = ''
    held.clear()
    heldCount.value = 0
    window_.merge(page.items, 'page')
    if (!text) window_.merge(running.rows(), 'live')
    query.value = text
    queryProblem.value = null
    failure.value = null
    nextCursor.value = page.next_cursor
    sinceSeq = page.since_seq
    isFirst.value = false
    touch()
  }

  /** The list stands, or could not be had: take what happened meanwhile. */
  function settle() {
    isLoading.value = false
    if (isBehind && !isFirst.value) catchUpSoon()
    isBehind = false
  }

  /** Whether the list stands for this query, and nothing else is being asked for. */
  const answers = (text: string) =>
    query.value === text && !isFirst.value && !isLoading.value && !failure.value

  /** Read the list anew: the one that is being asked for, else the one that stands. */
  const reload = () => load(isLoading.value ? (wanted ?? '') : query.value)

  async function refreshTotal(text: string, signal: AbortSignal) {
    total.value = null
    try {
      total.value = await countExchanges(text, signal)
    } catch {
      total.value = null // The count is a comfort: the list stands without it.
    }
  }

  async function loadOlder(): Promise<void> {
    if (!nextCursor.value || isLoadingOlder.value) return
    const target = window_
    isLoadingOlder.value = true
    try {
      const page = await listExchanges(query.value, nextCursor.value, loading?.signal)
      if (target !== window_) return
      window_.merge(page.items, 'page')
      nextCursor.value = page.next_cursor
      touch()
    } catch (error) {
      if (target === window_ && !isLoading.value) failure.value = error as Error
    } finally {
      isLoadingOlder.value = false
    }
    if (target === window_ && window_.count < 50 && nextCursor.value) await loadOlder()
  }

  /** Take what happened since the list was read: after a loss of the feed, and for filtered lists. One at a time. */
  function catchUp(): Promise<void> {
    catchingUp = catchingUp.catch(() => undefined).then(takeChanges)
    return catchingUp
  }

  async function takeChanges(): Promise<void> {
    while (!isFirst.value) {
      if (isLoading.value) {
        isBehind = true
        return
      }
      const target = window_
      const changes = await listChanges(query.value, sinceSeq)
      if (target !== window_) continue
      window_.remove(changes.deleted)
      running.forget(changes.deleted)
      takeRows(changes.items)
      const isStuck = changes.is_truncated && !changes.items.length
      sinceSeq = changes.since_seq
      if (isStuck) return load(query.value)
      if (wanted === query.value) failure.value = null
      if (!changes.is_truncated) return
    }
  }

  const catchUpNow = () => void catchUp().catch((error: Error) => (failure.value = error))
  const catchUpSoon = throttle(catchUpNow, REASK_MS)

  function takeRows(rows: readonly Row[]) {
    rows.forEach((row) => running.note(row))
    const known = rows.filter((row) => window_.has(row.id))
    const fresh = rows.filter((row) => !window_.has(row.id) && row.id > clearedUpTo)
    window_.merge(known, 'live')
    if (isHolding.value) {
      for (const row of fresh) if (held.size < HELD_LIMIT || held.has(row.id)) held.set(row.id, row)
      heldCount.value = held.size
    } else window_.merge(fresh, 'live')
    touch()
  }

  function release() {
    if (!held.size) return
    window_.merge([...held.values()], 'live')
    held.clear()
    heldCount.value = 0
    touch()
  }

  function onEvents(events: readonly FeedEvent[]) {
    const rows: Row[] = []
    for (const event of events) {
      if (event.type === 'exchange.progress') progress(event.data as Progress)
      else if (event.type === 'exchange.deleted') removed(event.data as Removed)
      else if (event.type === 'resync') missed()
      else if (event.type.startsWith('exchange.')) rows.push(event.data as Row)
    }
    if (!rows.length) return
    for (const row of rows) {
      running.note(row)
      if (isEnded(row.state)) liveRates.delete(row.id)
    }
    const news = query.value ? rows.filter((row) => window_.has(row.id)) : rows
    if (news.length) takeRows(news)
    if (isLoading.value) isBehind = true
    else if (query.value) catchUpSoon()
  }

  function progress(data: Progress) {
    const fields: Partial<Row> = {
      state: data.state as Row['state'],
      response_bytes: data.response_bytes,
      output: data.output ?? null,
      is_estimated: data.is_estimated ?? true,
    }
    if (data.reply_preview) fields.reply_preview = data.reply_preview
    if (data.tokens_per_s != null) liveRates.set(data.id, data.tokens_per_s)
    running.patch(data.id, fields)
    const known = window_.stateOf(data.id)
    if (known !== null) {
      if (!isEnded(known) && window_.columns.patch(data.id, fields)) touch()
    } else if (held.has(data.id)) Object.assign(held.get(data.id) as Row, fields)
    else if (data.id > clearedUpTo && running.isWorthAsking(data.id, Date.now())) catchUpSoon()
  }

  function removed(data: Removed) {
    if (data.filter != null) {
      void reload()
      return
    }
    running.forget(data.ids)
    data.ids.forEach((id) => held.delete(id))
    heldCount.value = held.size
    if (window_.remove(data.ids)) touch()
    if (isLoading.value) isBehind = true
  }

  function missed() {
    running.clear()
    catchUpNow()
  }

  /** The feed stands (again): what happened before it did is asked for. */
  function onLive() {
    if (isLoading.value) isBehind = true
    else if (isFirst.value || failure.value) {
      if (wanted !== null) void load(wanted)
    } else catchUpSoon()
  }

  function clearView() {
    clearedUpTo = window_.idAt(0) ?? clearedUpTo
    window_ = new RowWindow()
    nextCursor.value = null
    touch()
  }

  return {
    window: () => window_,
    version,
    query,
    queryProblem,
    isLoading,
    isFirst,
    failure,
    nextCursor,
    isLoadingOlder,
    total,
    isPaused,
    isAtTop,
    isSorted,
    heldCount,
    isHolding,
    liveRates,
    answers,
    load,
    loadOlder,
    catchUp,
    release,
    onEvents,
    onLive,
    removed,
    clearView,
  }
})
