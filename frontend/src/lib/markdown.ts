/**
 * Markdown to safe HTML: raw HTML is shown as text, links open apart and tell nobody where from, remote images are
 * not fetched (a reply must not make the browser call anywhere).
 */
import DOMPurify from 'dompurify'
import MarkdownIt from 'markdown-it'

const parser = new MarkdownIt({ html: false, linkify: true, breaks: true })

parser.renderer.rules.image = (tokens, place) => {
  const token = tokens[place]
  const source = String(token?.attrGet('src') ?? '')
  return `<code>![${parser.utils.escapeHtml(token?.content ?? '')}](${parser.utils.escapeHtml(source.slice(0, 200))})</code>`
}
parser.renderer.rules.link_open = (tokens, place, options, _env, self) => {
  const token = tokens[place]
  token?.attrSet('target', '_blank')
  token?.attrSet('rel', 'noreferrer noopener nofollow')
  return self.renderToken(tokens, place, options)
}

export function renderMarkdown(text: string): string {
  return DOMPurify.sanitize(parser.render(text), {
    ADD_ATTR: ['target'],
    FORBID_TAGS: ['img', 'style', 'form', 'input'],
  })
}

/** Split before the last block, so that a growing text renders only its tail anew. */
export function splitTail(text: string): [string, string] {
  const fences = [...text.matchAll(/^(?:```|~~~)/gm)]
  const open = fences.length % 2 === 1 ? (fences.at(-1)?.index ?? 0) : null
  const cut = open ?? text.lastIndexOf('\n\n')
  return cut <= 0 ? ['', text] : [text.slice(0, cut), text.slice(cut)]
}
