/** Parse and flatten a large JSON body away from the page. */
import { readJson } from '@/lib/jsonTree'

self.onmessage = (message: MessageEvent<string>) => self.postMessage(readJson(message.data))
