-- ARGV: campaign. All that its arm has, holds and counted is the campaign's own again. Returns 1, or 0 without an arm
local key = campaign_key(ARGV[1])
local number = arm_of(key)
if not number then return 0 end
local arm = campaign_key(number)

-- Make the account that has not heard of the latest day hear of it: what it spent since is all that counts to it.
local day, arm_day = redis.call('HGET', key, 'day') or '', redis.call('HGET', arm, 'day') or ''
local function renew(account, known, later)
  local early = redis.call('HGET', account, known == '' and 'spent_today' or 'spent_next') or 0
  redis.call('HSET', account, 'day', redis.call('HGET', later, 'day'), 'day_ends', redis.call('HGET', later, 'day_ends'),
    'spent_today', early, 'spent_next', 0)
end
if day < arm_day then renew(key, day, arm) elseif arm_day < day then renew(arm, arm_day, key) end

local kept = {base = 1, first_day = 1, starts = 1, ends = 1, paused = 1, day = 1, day_ends = 1, behind = 1}
local figures = redis.call('HGETALL', arm)
for i = 1, #figures, 2 do
  local name, value = figures[i], figures[i + 1]
  if not kept[name] then
    local own = redis.call('HGET', key, name) or '0'
    local is_whole = value:match('^%d+$') and own:match('^%d+$')
    redis.call(is_whole and 'HINCRBY' or 'HINCRBYFLOAT', key, name, value)
  end
end
redis.call('DEL', arm)
redis.call('HDEL', key, 'arm')
return 1
