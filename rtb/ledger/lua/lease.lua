-- ARGV: lease, campaign, least, share, expires, most, useful, at, day, end of the day, caller whose bids it pays (empty:
-- whoever comes), share of the money that these may hold. Returns micros; -1 where they hold that much.
local key, campaign, at = lease_key(ARGV[1]), campaign_key(ARGV[2]), tonumber(ARGV[8])
local terms = redis.call('HMGET', campaign, 'available', 'starts', 'ends', 'paused')
if not terms[1] or is_behind(campaign) or redis.call('EXISTS', key) == 1 then return 0 end
begin_day(campaign, ARGV[9], ARGV[10], at)
if terms[4] == '1' or at < tonumber(terms[2] or 0) or at >= tonumber(terms[3] or 'inf') then return 0 end
local room = math.min(tonumber(terms[1]), day_room(campaign))
local asked = math.min(tonumber(ARGV[6]), math.ceil(room * tonumber(ARGV[4])))
local amount = math.min(room, math.max(tonumber(ARGV[3]), asked))
local useful = math.max(1, tonumber(ARGV[7]))
if amount < useful then return 0 end
amount = math.min(amount, caller_room(campaign, ARGV[11], tonumber(ARGV[12]), room, tonumber(ARGV[3])))
if amount < useful then return -1 end
redis.call('HINCRBY', campaign, 'available', 0 - amount)
redis.call('HINCRBY', campaign, 'leased', amount)
redis.call('HSET', key, 'campaign', ARGV[2], 'leased', amount, 'reserved', 0, 'freed', 0, 'closed', 0)
if ARGV[11] ~= '' then redis.call('HSET', key, 'caller', ARGV[11]) end
hold(campaign, ARGV[11], amount)
redis.call('ZADD', LEASES, ARGV[5], ARGV[1])
return amount
