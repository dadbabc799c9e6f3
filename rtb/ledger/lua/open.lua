-- ARGV: campaign, budget
local key = campaign_key(ARGV[1])
local available = tonumber(redis.call('HGET', key, 'available') or 0)
local budget = tonumber(redis.call('HGET', key, 'budget') or 0)
local change = math.max(tonumber(ARGV[2]) - budget, -available)
redis.call('HINCRBY', key, 'budget', change)
redis.call('HINCRBY', key, 'available', change)
return change
