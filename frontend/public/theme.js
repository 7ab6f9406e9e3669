// Runs before the first paint, so that a dark room never sees a white page. Kept apart from the bundle so that
// a strict content security policy needs no inline script.
;(function () {
  var stored = {}
  try {
    stored = JSON.parse(localStorage.getItem('dragoman.v1') || '{}')
  } catch {
    stored = {}
  }
  var dark = stored.theme === 'dark' || (stored.theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
  document.documentElement.dataset.density = stored.density || 'compact'
})()
