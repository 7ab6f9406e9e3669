/// <reference types="vite/client" />
declare module '*.css'
declare module '@fontsource-variable/inter'
declare module '@fontsource-variable/jetbrains-mono'

interface SharedWorkerGlobalScope {
  onconnect: ((event: MessageEvent) => void) | null
}
