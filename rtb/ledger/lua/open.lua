-- ARGV: campaign, budget, daily, starts, ends, paused. What an arm has of the budget and of the day stays with it, and what
-- was moved to or from other campaigns stays moved
local key = campaign_key(ARGV[1])
if redis.call('EXISTS', key) == 0 then redis.call('HSET', key, 'given', 0) end
local arm, daily, lent = arm_of(key), tonumber(ARGV[3]), 0
if arm then
  local arm_key = campaign_key(arm)
  lent = tonumber(redis.call('HGET', arm_key, 'budget'))
  local theirs, paused = 0, ARGV[6]
  if daily > 1 then theirs = math.max(1, math.min(tonumber(redis.call('HGET', arm_key, 'daily')), daily - 1)) end
  if daily == 1 then paused = 1 end -- it cannot be divided, and a limit of 0 would be none
  redis.call('HSET', arm_key, 'daily', theirs, 'starts', ARGV[4], 'ends', ARGV[5], 'paused', paused)
  daily = daily - theirs
end
local available = tonumber(redis.call('HGET', key, 'available') or 0)
local budget = tonumber(redis.call('HGET', key, 'budget') or 0)
local moved = tonumber(redis.call('HGET', key, 'moved') or 0)
local wanted = tonumber(ARGV[2]) + moved
if moved ~= 0 then wanted = math.max(1, wanted) end -- a campaign without a budget is one that the ledger lost
local change = math.max(wanted - lent - budget, 0 - available)
redis.call('HINCRBY', key, 'budget', change)
redis.call('HINCRBY', key, 'available', change)
redis.call('HSET', key, 'daily', daily, 'starts', ARGV[4], 'ends', ARGV[5], 'paused', ARGV[6])
return change
