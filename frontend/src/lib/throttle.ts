/** Call `run` at most once in `ms`, at once when it was quiet, and always once more after the last request. */
export function throttle(run: () => void, ms: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isAskedAgain = false
  return function ask() {
    if (timer !== undefined) {
      isAskedAgain = true
      return
    }
    run()
    timer = setTimeout(() => {
      timer = undefined
      if (isAskedAgain) {
        isAskedAgain = false
        ask()
      }
    }, ms)
  }
}
