-- What wrk asks: the requests of a file, one after the other, each line a path and a cookie.
-- At the end one line of JSON.

local asked = {}
local place = 0

function init(args)
  for line in io.lines(args[1]) do
    local path, cookie = line:match("^(%S+)%s*(.*)$")
    local headers = {
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    }
    if cookie ~= "" then
      headers["Cookie"] = cookie
    end
    asked[#asked + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  place = place % #asked + 1
  return asked[place]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
