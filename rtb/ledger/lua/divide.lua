-- ARGV: campaign, arm, share. Returns the arm's budget; 0 where there is nothing to divide
local key, arm = campaign_key(ARGV[1]), campaign_key(ARGV[2])
local known, share = arm_of(key), tonumber(ARGV[3])
if redis.call('EXISTS', key) == 0 or (known and known ~= ARGV[2]) or is_behind(key) then return 0 end

local function figures(account)
  local row = redis.call('HMGET', account, 'budget', 'available', 'daily', 'base')
  return tonumber(row[1] or 0), tonumber(row[2] or 0), tonumber(row[3] or 0), tonumber(row[4])
end
local budget, available, daily = figures(key)
local arm_budget, arm_available, arm_daily, base = figures(arm)
base = base or budget - available

-- The share of all that was or became available since it was first divided, as far as it is free to be moved.
local wanted = math.floor(share * math.max(0, budget + arm_budget - base)) - arm_budget
local change = math.max(0 - arm_available, math.min(wanted, available))

-- The day's limit alike: on the first day a share of what was left of it, from the next on of all of it.
local day = redis.call('HGET', key, 'day') or ''
local limit, daily_change = daily + arm_daily, 0
if limit > 1 then
  local theirs = arm_daily
  if not known then theirs = math.floor(share * math.max(0, day_room(key)))
  elseif day ~= redis.call('HGET', arm, 'first_day') then theirs = math.floor(share * limit) end
  daily_change = math.max(1, math.min(theirs, limit - 1)) - arm_daily
  if daily_change > 0 then daily_change = math.min(daily_change, math.max(0, day_room(key))) end
  if daily_change < 0 then daily_change = math.max(daily_change, math.min(0, 0 - day_room(arm))) end
end

if not known then
  if change < 1 or (limit > 0 and daily_change < 1) then return 0 end
  local terms = redis.call('HMGET', key, 'starts', 'ends', 'paused', 'day_ends')
  redis.call('HSET', arm, 'base', base, 'first_day', day, 'starts', terms[1] or 0, 'ends', terms[2] or 'inf',
    'paused', terms[3] or 0, 'day', day, 'day_ends', terms[4] or 'inf')
  redis.call('HSET', key, 'arm', ARGV[2])
end
for name, amount in pairs({budget = change, available = change, daily = daily_change}) do
  redis.call('HINCRBY', key, name, 0 - amount)
  redis.call('HINCRBY', arm, name, amount)
end
return arm_budget + change
