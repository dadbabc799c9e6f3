-- What wrk sends: the requests of a file in turn, and, if wanted, the notices of the bids that win.
-- Arguments after the URL: file with a JSON request a line, path, mean pause of a connection in ms, part of bids won.

local requests, notices = {}, {}
local next_request, sent_notices = 0, 0
local threads = {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("seed", #threads)
end

function init(args)
   local file, path, pause, wins = args[1], args[2], tonumber(args[3]), tonumber(args[4])
   local headers = { ["Content-Type"] = "application/json", ["X-OpenRTB-Version"] = "2.6" }
   local key = os.getenv("RAYBID_EXCHANGE_KEY") or ""
   if key ~= "" then headers["X-API-Key"] = key end
   for line in io.lines(file) do
      requests[#requests + 1] = wrk.format("POST", path, headers, line)
   end
   math.randomseed(seed or 0)
   next_request = math.random(0, #requests - 1)
   if pause > 0 then
      function delay() return math.floor(-math.log(1 - math.random()) * pause) end
   end
   if wins > 0 then
      function response(status, headers, body) win(status, body, wins) end
   end
end

function request()
   local notice = table.remove(notices)
   if notice then
      sent_notices = sent_notices + 1
      sent = sent_notices
      return notice
   end
   next_request = next_request % #requests + 1
   return requests[next_request]
end

-- A bid that wins is told of and billed at what it bid: as `nurl` and `burl` say.
function win(status, body, wins)
   if status ~= 200 or math.random() >= wins then return end
   local price = string.match(body, '"price":([0-9.]+)')
   for _, name in ipairs({ "nurl", "burl" }) do
      local path = string.match(body, '"' .. name .. '":"https?://[^/]+([^"]+)"')
      if path and price then
         notices[#notices + 1] = wrk.format("GET", (string.gsub(path, "%${AUCTION_PRICE}", price)), {}, nil)
      end
   end
end

function done(summary, latency)
   local told = 0
   for _, thread in ipairs(threads) do told = told + (thread:get("sent") or 0) end
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"seconds":%.6f,"notices":%d,"errors":%d,"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n',
      summary.requests, summary.duration / 1e6, told,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
