/** The phases of an exchange on one axis, from what was measured; what was not measured is left out. Pure. */
import type { Attempt, Detail, Row } from '@/api/types'

export type PhaseName =
  'upload' | 'dns' | 'connect' | 'tls' | 'wait' | 'backOff' | 'firstToken' | 'streaming' | 'tail'

export interface Phase {
  name: PhaseName
  attempt: number | null
  fromNs: number
  lengthNs: number
}

export function phasesOf(row: Row, detail: Detail | null, nowNs: number): Phase[] {
  const phases: Phase[] = []
  const add = (
    name: PhaseName,
    from: number,
    to: number | null | undefined,
    attempt: number | null = null,
  ) => {
    if (to != null && to - from > 0) phases.push({ name, attempt, fromNs: from, lengthNs: to - from })
  }
  const end = row.duration_ns ?? nowNs - row.started_ns
  add('upload', 0, detail?.request_end_ns)
  for (const one of detail?.attempts ?? []) {
    let at = connectedFrom(one)
    for (const [name, length] of [
      ['dns', one.dns_ns],
      ['connect', one.connect_ns],
      ['tls', one.tls_ns],
    ] as const) {
      add(name, at, at + length, one.number)
      at += length
    }
    const isLast = one.number === detail?.attempts.at(-1)?.number
    add('wait', at, isLast ? (row.first_byte_ns ?? one.ended_ns ?? end) : one.ended_ns, one.number)
    if (one.wait_ns && one.ended_ns != null)
      add('backOff', one.ended_ns, one.ended_ns + one.wait_ns, one.number)
  }
  if (!detail?.attempts.length) add('wait', 0, row.first_byte_ns)
  if (row.first_byte_ns == null) return phases
  const firstToken = row.first_token_ns ?? row.first_byte_ns
  add('firstToken', row.first_byte_ns, row.first_token_ns)
  add('streaming', firstToken, row.last_token_ns ?? end)
  if (row.last_token_ns != null) add('tail', row.last_token_ns, end)
  return phases
}

/** An attempt begins on record when the request is sent on it: its connection was made before. */
function connectedFrom(attempt: Attempt): number {
  return attempt.started_ns - attempt.dns_ns - attempt.connect_ns - attempt.tls_ns
}

/** Time in the gateway before the first attempt: what Dragoman itself added. */
export function overheadNs(detail: Detail | null): number | null {
  const first = detail?.attempts[0]
  return first ? Math.max(0, connectedFrom(first)) : null
}
