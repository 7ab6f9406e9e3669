-- The load for wrk: every body is distinct, cut from a long random text at a random place.
--   BENCH_KIND   small (2 KB), stream (2 KB, "stream":true), large (300 KB)
--   BENCH_PATH   the request's path
local kind = os.getenv("BENCH_KIND") or "small"
local path = os.getenv("BENCH_PATH") or "/v1/chat/completions"
local size = kind == "large" and 300000 or 1850
local limit = path:find("/messages") and '"max_tokens":4096,' or ""
local system = limit == "" and '{"role":"system","content":"You are a benchmark."},' or ""
local text, total, serial
local headers = { ["content-type"] = "application/json", ["authorization"] = "Bearer sk-bench",
                  ["anthropic-version"] = path:find("/messages") and "2023-06-01" or nil,
                  ["user-agent"] = "OpenAI/Python 3.52.0" }

function init(args)
  math.randomseed(os.time() + tonumber(tostring(headers):match("0x(%x+)"), 16) % 100000)
  local parts = {}
  for i = 1, 300000 do
    local word = {}
    for j = 1, math.random(3, 9) do word[j] = string.char(math.random(97, 122)) end
    parts[i] = table.concat(word)
  end
  text = table.concat(parts, " ")
  total = #text - size - 1
  serial = 0
end

function request()
  serial = serial + 1
  local from = math.random(1, total)
  local body = '{"model":"bench-1",' .. (kind == "stream" and '"stream":true,' or "") .. limit ..
    '"messages":[' .. system .. '{"role":"user","content":"' ..
    serial .. " " .. text:sub(from, from + size) .. '"}]}'
  return wrk.format("POST", path, headers, body)
end

function done(summary, latency, requests)
  io.write(string.format(
    '\n{"requests":%d,"duration_us":%d,"bytes":%d,"errors":%d,"p50_us":%.1f,"p99_us":%.1f}\n',
    summary.requests, summary.duration, summary.bytes,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
