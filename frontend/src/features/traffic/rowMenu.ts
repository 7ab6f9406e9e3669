/** What the context menu of a row offers: the same as its keys do. */
import type { Row } from '@/api/types'
import type { MenuItem } from '@/components/UiMenu.vue'
import { copyText } from '@/lib/copy'
import { makeTerm, withTerm } from '@/lib/query'
import type { useActions } from '@/stores/actions'
import { cancelExchange } from '@/api/client'
import { t } from '@/strings'

interface Acts {
  open: () => void
  peek: () => void
  select: () => void
  remove: () => void
  setQuery: (query: string) => void
  query: string
  actions: ReturnType<typeof useActions>
}

export function rowMenu(row: Row, acts: Acts): MenuItem[] {
  const items: MenuItem[] = [
    { label: t.traffic.peek, keys: 'Space', run: acts.peek },
    { label: t.traffic.openPage, keys: 'Enter', run: acts.open },
    { label: t.shortcuts.select, keys: 'x', run: acts.select },
  ]
  if (row.state === 'waiting' || row.state === 'streaming')
    items.push({ label: t.traffic.stop, run: () => void cancelExchange(row.id) })
  const only = (field: string, value: string | null, isFirst = false) => {
    if (value)
      items.push({
        label: t.traffic.onlyLike(`${field}:${value}`),
        run: () => acts.setQuery(withTerm(acts.query, makeTerm(field, value))),
        isFirstOfGroup: isFirst,
      })
  }
  only('model', row.model_asked, true)
  only('client', row.client)
  only('conversation', row.conversation)
  items.push(
    { label: t.traffic.copyCurl, run: () => void acts.actions.copyAs(row.id, 'curl'), isFirstOfGroup: true },
    { label: t.traffic.copyLink, run: () => void acts.actions.copyLink(row.id) },
    { label: t.traffic.copyId, run: () => void copyText(row.id) },
    { label: t.delete, keys: 'Del', run: acts.remove, isDangerous: true, isFirstOfGroup: true },
  )
  return items
}
