-- ARGV: source, target, micros, now, portfolio, because, stream. Returns what was moved: nothing that anybody holds, and
-- never the last micro, since a campaign without a budget is one that the ledger lost
local source, target = campaign_key(ARGV[1]), campaign_key(ARGV[2])
if ARGV[1] == ARGV[2] or redis.call('EXISTS', source, target) < 2 then return 0 end
if is_behind(source) or is_behind(target) then return 0 end
local row = redis.call('HMGET', source, 'available', 'budget')
local micros = math.min(tonumber(ARGV[3]), tonumber(row[1] or 0), tonumber(row[2] or 0) - 1)
if micros < 1 then return 0 end
for key, change in pairs({[source] = 0 - micros, [target] = micros}) do
  for _, name in ipairs({'budget', 'available', 'moved'}) do redis.call('HINCRBY', key, name, change) end
end
if redis.call('HEXISTS', source, 'given') == 1 then redis.call('HINCRBY', source, 'given', micros) end
redis.call('XADD', ARGV[7], '*', 'kind', 'move', 'campaign', ARGV[1], 'target', ARGV[2], 'price_micros', micros, 'at', ARGV[4],
  'outcome', 'moved', 'portfolio', ARGV[5], 'because', ARGV[6])
return micros
