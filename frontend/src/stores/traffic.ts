/**
 * The list of exchanges that answers the current query, kept up to date.
 *
 * Without a filter, live rows come with the events; with one, the server is asked what changed, since it alone
 * evaluates the query language. While the reader is not at the top, or has paused, new rows wait in `held`.
 */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { ApiError, countExchanges, listChanges, listExchanges } from '@/api/client'
import type { Count, Problem, Progress, Removed, Row } from '@/api/types'
import type { FeedEvent } from '@/lib/eventFeed'
import { RowWindow } from '@/lib/rowWindow'
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
  const held = new Map<string, Row>()
  /** Running exchanges that the list does not know: they began between its reading and the first event. */
  const askedFor = new Set<string>()
  let loading: AbortController | null = null

  const isHolding = computed(() => isPaused.value || !isAtTop.value || isSorted.value)

  function touch() {
    version.value++
  }

  async function load(text: string): Promise<void> {
    loading?.abort()
    const mine = (loading = new AbortController())
    isLoading.value = true
    try {
      const page = await listExchanges(text, null, mine.signal)
      window_ = new RowWindow()
      held.clear()
      heldCount.value = 0
      window_.merge(page.items, 'page')
      query.value = text
      queryProblem.value = null
      failure.value = null
      nextCursor.value = page.next_cursor
      sinceSeq = page.since_seq
      isFirst.value = false
      touch()
      if (page.items.length < 50 && page.next_cursor) void loadOlder()
      void refreshTotal(text, mine.signal)
    } catch (error) {
      if (mine.signal.aborted) return
      if (error instanceof ApiError && error.status === 400) queryProblem.value = error.problem
      else failure.value = error as Error
    } finally {
      if (loading === mine) isLoading.value = false
    }
  }

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
      if (target === window_) failure.value = error as Error
    } finally {
      isLoadingOlder.value = false
    }
    if (target === window_ && window_.count < 50 && nextCursor.value) await loadOlder()
  }

  /** Take what happened since the list was read: after a loss of the feed, and for filtered lists. */
  async function catchUp(): Promise<void> {
    const target = window_
    for (;;) {
      const changes = await listChanges(query.value, sinceSeq)
      if (target !== window_) return
      window_.remove(changes.deleted)
      takeRows(changes.items)
      const isStuck = changes.is_truncated && !changes.items.length
      sinceSeq = changes.since_seq
      if (isStuck) return load(query.value)
      if (!changes.is_truncated) return
    }
  }

  const catchUpSoon = throttle(
    () => void catchUp().catch((error: Error) => (failure.value = error)),
    REASK_MS,
  )

  function takeRows(rows: readonly Row[]) {
    const known = rows.filter((row) => window_.has(row.id))
    const fresh = rows.filter((row) => !window_.has(row.id))
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
      else if (event.type === 'resync') void catchUp().catch((error: Error) => (failure.value = error))
      else if (event.type.startsWith('exchange.')) {
        rows.push(event.data as Row)
        if (event.type === 'exchange.finished') forget((event.data as Row).id)
      }
    }
    const news = query.value ? rows.filter((row) => window_.has(row.id)) : rows
    if (news.length) takeRows(news)
    if (query.value && rows.length) catchUpSoon()
  }

  function forget(id: string) {
    liveRates.delete(id)
    askedFor.delete(id)
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
    if (window_.columns.patch(data.id, fields)) touch()
    else if (held.has(data.id)) Object.assign(held.get(data.id) as Row, fields)
    else if (!query.value && !askedFor.has(data.id)) {
      askedFor.add(data.id)
      catchUpSoon()
    }
  }

  function removed(data: Removed) {
    if (data.filter != null) {
      void load(query.value)
      return
    }
    data.ids.forEach((id) => held.delete(id))
    if (window_.remove(data.ids)) touch()
  }

  /** The feed stands (again): what happened before it did is asked for. */
  function onLive() {
    if (!isFirst.value) catchUpSoon()
  }

  function clearView() {
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
