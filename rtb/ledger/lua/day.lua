-- Shared by `lease` and `settle`: the campaign's own day, and what may still be spent in it.

-- Take up the day a grant names, unless it is past: days are named so that a later one sorts later. One that is over
-- when it is named is not the day of what was spent since.
local function begin_day(campaign, day, ends, at)
  if at >= tonumber(ends) then return end
  local known = redis.call('HGET', campaign, 'day') or ''
  if day == known then redis.call('HSET', campaign, 'day_ends', ends) end -- its time zone may have been edited
  if day <= known then return end
  -- What was spent before anybody named a day may be of this one.
  local early = redis.call('HGET', campaign, known == '' and 'spent_today' or 'spent_next') or 0
  redis.call('HSET', campaign, 'day', day, 'day_ends', ends, 'spent_today', early, 'spent_next', 0)
end

-- Micros that may be promised on top of what is. Money promised yesterday may be spent today, so it counts;
-- what was spent after the day's end counts to both days until somebody names the next one.
local function day_room(campaign)
  local state = redis.call('HMGET', campaign, 'daily', 'spent_today', 'spent_next', 'leased', 'reserved')
  if tonumber(state[1] or 0) == 0 then return math.huge end
  local room = tonumber(state[1])
  for i = 2, 5 do room = room - tonumber(state[i] or 0) end
  return room
end

-- The counter of what is spent now.
local function spent_counter(campaign, now)
  local ends = redis.call('HGET', campaign, 'day_ends') or 'inf'
  if tonumber(now) < tonumber(ends) then return 'spent_today' end
  return 'spent_next'
end
