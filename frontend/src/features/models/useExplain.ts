/** A call that is only thought of: what lies in the address of the page, and what the server says to it. */
import { computed, onBeforeUnmount, ref, shallowRef, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { explainRoute } from '@/api/client'
import type { Explanation } from '@/api/types'
import { DIALECTS, sampleBody, type Dialect } from '@/lib/dialects'
import { t } from '@/strings/all'

const ASK_AFTER_MS = 200

export function useExplain(version: () => unknown) {
  const router = useRouter()
  const here = useRoute()
  const text = (name: string) => (typeof here.query[name] === 'string' ? here.query[name] : '')
  const inUrl = (name: string) =>
    computed({
      get: () => text(name),
      set: (value) => void router.replace({ query: { ...here.query, [name]: value || undefined } }),
    })
  const model = inUrl('model')
  const prefix = inUrl('under')
  const dialectName = inUrl('dialect')
  /** Empty: as the body looks, else openai_chat. */
  const dialect = computed<Dialect | ''>({
    get: () => DIALECTS.find((one) => one === dialectName.value) ?? '',
    set: (value) => (dialectName.value = value),
  })
  /** What was pasted; too large and too private for the address. */
  const pasted = ref('')
  const body = computed<{ value: unknown } | 'broken' | null>(() => {
    if (!pasted.value.trim()) return null
    try {
      return { value: JSON.parse(pasted.value) as unknown }
    } catch {
      return 'broken'
    }
  })
  const isAsked = computed(
    () => body.value !== 'broken' && (model.value.trim() !== '' || body.value !== null),
  )
  /** What the client would send: what was pasted, else the smallest call of the dialect. */
  const call = computed(() =>
    body.value && body.value !== 'broken'
      ? body.value.value
      : sampleBody(dialect.value || 'openai_chat', model.value.trim(), t.routes.simulator.sampleText),
  )

  const explanation = shallowRef<Explanation | null>(null)
  const failure = shallowRef<Error | null>(null)
  const isLoading = ref(false)
  let asking: AbortController | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  async function ask() {
    asking?.abort()
    if (!isAsked.value) {
      explanation.value = failure.value = null
      return
    }
    const mine = (asking = new AbortController())
    isLoading.value = true
    try {
      const answer = await explainRoute(
        {
          model: model.value.trim() || null,
          prefix: prefix.value || null,
          dialect: dialect.value || null,
          body: call.value,
        },
        mine.signal,
      )
      if (mine.signal.aborted) return
      explanation.value = answer
      failure.value = null
    } catch (error) {
      if (mine.signal.aborted) return
      failure.value = error as Error
      explanation.value = null
    } finally {
      if (asking === mine) isLoading.value = false
    }
  }

  watch(
    [model, prefix, dialect, pasted, version],
    () => {
      clearTimeout(timer)
      timer = setTimeout(() => void ask(), ASK_AFTER_MS)
    },
    { immediate: true },
  )
  onBeforeUnmount(() => {
    clearTimeout(timer)
    asking?.abort()
  })

  function clear() {
    pasted.value = ''
    void router.replace({ query: {} })
  }

  return { model, prefix, dialect, pasted, body, call, isAsked, explanation, failure, isLoading, ask, clear }
}
