-- ARGV: lease, campaign, least, share, expires, most, useful
local key, campaign = lease_key(ARGV[1]), campaign_key(ARGV[2])
local available = tonumber(redis.call('HGET', campaign, 'available') or 0)
local asked = math.min(tonumber(ARGV[6]), math.ceil(available * tonumber(ARGV[4])))
local amount = math.min(available, math.max(tonumber(ARGV[3]), asked))
if amount < math.max(1, tonumber(ARGV[7])) or redis.call('EXISTS', key) == 1 then return 0 end
redis.call('HINCRBY', campaign, 'available', -amount)
redis.call('HINCRBY', campaign, 'leased', amount)
redis.call('HSET', key, 'campaign', ARGV[2], 'leased', amount, 'reserved', 0, 'freed', 0, 'closed', 0)
redis.call('ZADD', LEASES, ARGV[5], ARGV[1])
return amount
