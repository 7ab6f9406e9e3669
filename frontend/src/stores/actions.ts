/** What can be done with exchanges anywhere: export, delete with undo, copy. Without state of its own. */
import { deleteMatching, exportMany, exportText, restoreExchanges, type ExportFormat } from '@/api/client'
import { copyText, saveBlob } from '@/lib/copy'
import { useToasts } from '@/stores/toasts'
import { useTraffic } from '@/stores/traffic'
import { t } from '@/strings'

const UNDO_MS = 10_000
/** Ids in one request: 26 signs each, well under the limit of a request's head. */
const AT_ONCE = 200

export function useActions() {
  const toasts = useToasts()
  const traffic = useTraffic()

  function fail(error: unknown) {
    toasts.show(error instanceof Error ? error.message : t.error.title, { kind: 'error', ms: 8000 })
  }

  async function remove(ids: string[]) {
    if (!ids.length) return
    try {
      for (let from = 0; from < ids.length; from += AT_ONCE)
        await deleteMatching(`id:${ids.slice(from, from + AT_ONCE).join(',')}`)
      traffic.removed({ ids, filter: null, count: ids.length })
      toasts.show(t.traffic.deleted(ids.length), {
        ms: UNDO_MS,
        action: { label: t.undo, run: () => void restore(ids) },
      })
    } catch (error) {
      fail(error)
    }
  }

  async function restore(ids: string[]) {
    try {
      const { count } = await restoreExchanges({ ids })
      await traffic.catchUp()
      toasts.show(t.traffic.restored(count))
    } catch (error) {
      fail(error)
    }
  }

  async function exportSelected(ids: string[], format: 'json' | 'jsonl' | 'har') {
    try {
      saveBlob(await exportMany(ids, format), `dragoman-${ids.length}.${format}`)
    } catch (error) {
      fail(error)
    }
  }

  async function copyAs(id: string, format: ExportFormat) {
    try {
      const text = await exportText(id, format)
      const isDone = await copyText(text)
      toasts.show(isDone ? t.copyAs.done(t.copyAs.formats[format] ?? format) : t.copyAs.failed, {
        kind: isDone ? 'done' : 'error',
      })
    } catch (error) {
      fail(error)
    }
  }

  async function copyLink(id: string) {
    await copyText(`${location.origin}/ui/traffic/${id}`)
    toasts.show(t.copyAs.done(t.copyAs.formats.link ?? ''))
  }

  return { remove, exportSelected, copyAs, copyLink }
}
