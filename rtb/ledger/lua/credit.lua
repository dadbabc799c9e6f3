-- Shared by `lease`, `settle` and `reclaim`: how much one caller's bids may hold of an account before they are paid.

-- Micros that may be held unpaid for each micro that was paid: whoever wins one bid in a hundred is never held up.
local CREDIT = 100

-- What was paid lets its caller hold more, at most as much again as there is.
local function earn_credit(account, caller, price)
  if not caller or price == 0 then return end
  local row = redis.call('HMGET', account, 'budget', 'credit:' .. caller)
  local credit = math.min(tonumber(row[1]), tonumber(row[2] or 0) + CREDIT * price)
  redis.call('HSET', account, 'credit:' .. caller, string.format('%.0f', credit))
end

-- Bids that nobody paid in time cost it.
local function lose_credit(account, caller, expired)
  if not caller or expired == 0 then return end
  local credit = tonumber(redis.call('HGET', account, 'credit:' .. caller) or 0)
  if credit > 0 then redis.call('HINCRBY', account, 'credit:' .. caller, 0 - math.min(credit, expired)) end
end

-- Micros that a caller's bids may hold on top of what they do. A caller that holds nothing may make one bid.
local function caller_room(account, caller, share, free, least)
  if caller == '' then return math.huge end
  local row = redis.call('HMGET', account, 'leased', 'reserved', 'held:' .. caller, 'credit:' .. caller)
  local held = tonumber(row[3] or 0)
  local room = math.ceil(share * (free + tonumber(row[1] or 0) + tonumber(row[2] or 0))) + tonumber(row[4] or 0) - held
  return held == 0 and math.max(room, least) or room
end
