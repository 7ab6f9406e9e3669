/** What could be typed next in the query bar: fields, then their values with counts from the server. */
import { useQuery } from '@pinia/colada'
import { computed, shallowRef, watch, type Ref } from 'vue'
import { getFacets, getQueryFields } from '@/api/client'
import { quoteValue, wordAt, type Word } from '@/lib/query'

export interface Completion {
  label: string
  hint: string
  /** The whole query once it is taken, and where the caret goes. */
  query: string
  caret: number
}

const LIMIT = 9

export function useCompletions(text: Ref<string>, caret: Ref<number>, isOpen: Ref<boolean>) {
  const fields = useQuery({ key: ['query-fields'], query: getQueryFields, staleTime: Infinity })
  const word = computed(() => wordAt(text.value, caret.value))
  const counted = shallowRef<{ field: string; values: { value: string; count: number }[] } | null>(null)

  watch(
    [() => word.value.field, isOpen],
    async ([name, open]) => {
      const field = fields.data.value?.fields.find((one) => one.name === name)
      if (
        !open ||
        !field ||
        !fields.data.value?.facets.includes(field.name) ||
        counted.value?.field === field.name
      )
        return
      try {
        counted.value = {
          field: field.name,
          values: (await getFacets('', [field.name], 60)).facets[field.name] ?? [],
        }
      } catch {
        counted.value = null // Completion is a comfort; the field can be typed without.
      }
    },
    { immediate: true },
  )

  const completions = computed<Completion[]>(() => {
    if (!isOpen.value || !fields.data.value) return []
    const typed = word.value
    if (typed.field === null) return fieldCompletions(typed)
    const field = fields.data.value.fields.find((one) => one.name === typed.field)
    if (!field) return []
    const known = counted.value?.field === field.name ? counted.value.values : []
    const closed = field.values
      .filter((value) => !known.some((one) => one.value === value))
      .map((value) => ({ value, count: null }))
    const options = [...known, ...closed]
      .filter(
        (one) => one.value.toLowerCase().includes(typed.value.toLowerCase()) && one.value !== typed.value,
      )
      .slice(0, LIMIT)
      .map(({ value, count }) =>
        take(typed, quoteValue(value), value, count == null ? '' : String(count), ' '),
      )
    if (options.length || typed.value) return options
    return field.examples.map((example) => take(typed, example, example, field.description, ' '))
  })

  function fieldCompletions(typed: Word): Completion[] {
    return (fields.data.value?.fields ?? [])
      .filter((field) => field.name.startsWith(typed.value.toLowerCase()))
      .slice(0, typed.value ? LIMIT : 30)
      .map((field) => take(typed, `${field.name}:`, `${field.name}:`, field.description, ''))
  }

  function take(typed: Word, inserted: string, label: string, hint: string, after: string): Completion {
    const rest = text.value.slice(typed.end)
    const query =
      text.value.slice(0, typed.start) + inserted + (after && !rest.startsWith(' ') ? after : '') + rest
    return { label, hint, query, caret: typed.start + inserted.length + after.length }
  }

  /** What stands at the caret is no term yet: a field without its value, or the beginning of a field's name. */
  const isUnfinished = computed(() => {
    const { field, value } = word.value
    if (field !== null) return value === ''
    return value !== '' && completions.value.length > 0
  })

  return { completions, isUnfinished }
}
