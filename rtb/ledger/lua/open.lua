-- ARGV: campaign, budget, daily, starts, ends, paused
local key = campaign_key(ARGV[1])
local available = tonumber(redis.call('HGET', key, 'available') or 0)
local budget = tonumber(redis.call('HGET', key, 'budget') or 0)
local change = math.max(tonumber(ARGV[2]) - budget, 0 - available)
redis.call('HINCRBY', key, 'budget', change)
redis.call('HINCRBY', key, 'available', change)
redis.call('HSET', key, 'daily', ARGV[3], 'starts', ARGV[4], 'ends', ARGV[5], 'paused', ARGV[6])
return change
