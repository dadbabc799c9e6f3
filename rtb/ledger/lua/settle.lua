-- ARGV: bid, lease, campaign, ceiling, price, kind, counter, now, ttl, stream, min to win (may be empty), and how long
-- the bid is remembered where its user did something before
local bid, kind, campaign = ARGV[1], ARGV[6], account_key(ARGV[3])
if redis.call('EXISTS', campaign) == 0 then return 'unknown' end
if is_behind(campaign) then return 'behind' end
if not first(bid, kind, ARGV[9]) or not first(bid, 'charged', ARGV[9]) then return 'duplicate' end
local ceiling = tonumber(ARGV[4])
local price = math.min(tonumber(ARGV[5]), ceiling)
-- A bid whose loss freed its money has none left in its lease: what is there belongs to other bids.
local held, caller = 0, nil
if not noticed(bid, 'freed') then held, caller = take(ARGV[2], campaign, ceiling) end
local available = tonumber(redis.call('HGET', campaign, 'available'))
local outcome = 'settled'
if held + available < price or (price > held and price > day_room(campaign)) then
  redis.call('HINCRBY', campaign, 'available', held)
  redis.call('HINCRBY', campaign, 'unfunded', 1)
  outcome = 'unfunded'
else
  redis.call('HINCRBY', campaign, 'available', held - price)
  redis.call('HINCRBY', campaign, 'spent', price)
  redis.call('HINCRBY', campaign, spent_counter(campaign, ARGV[8]), price)
  redis.call('HINCRBYFLOAT', campaign, 'price_squares', price * price)
  redis.call('HINCRBY', campaign, ARGV[7], 1)
  earn_credit(campaign, caller, price)
end
record(ARGV[10], kind, bid, ARGV[3], price, ARGV[8], outcome, ARGV[11])
if outcome == 'settled' then
  local ttl = ARGV[9]
  for _, did in ipairs({'click', 'conversion'}) do
    if noticed(bid, did) then -- it came before its charge, and counts now
      ttl = ARGV[12]
      redis.call('HINCRBY', campaign, did .. 's', 1)
      record(ARGV[10], did, bid, ARGV[3], 0, ARGV[8], 'counted')
    end
  end
  first(bid, 'paid', ttl)
end
return outcome
