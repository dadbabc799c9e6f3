-- Take what one replica let through out of the shared buckets, and tell it what is left in each and who else uses it.
-- ARGV: replica, seconds now (empty: the server's clock), then for each name: name, rate, burst, let through
-- Answers, for each name, tokens left (a string: it may be negative or broken) and replicas that use the name.
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local answers = {}
for place = 3, #ARGV, 4 do
  local key, rate, burst, used = 'raybid:limit:' .. ARGV[place], tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2]), tonumber(ARGV[place + 3])
  local users = key .. ':users'
  local state = redis.call('HMGET', key, 'tokens', 'at')
  local tokens, at = tonumber(state[1]) or burst, tonumber(state[2]) or now
  local filled = math.min(burst, tokens + math.max(0, now - at) * rate)
  -- Debt is paid back, but not for ever: what replicas let through while the server was away is not held against them.
  tokens = math.max(filled - used, 0 - burst - rate)
  redis.call('HSET', key, 'tokens', string.format('%.17g', tokens), 'at', string.format('%.17g', math.max(now, at)))
  redis.call('ZADD', users, now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', users, '-inf', now - 5)
  -- A bucket that nobody asks for is full again by then, as one that is not there is.
  local kept = math.ceil(2 * burst / rate) + 10
  redis.call('EXPIRE', key, kept)
  redis.call('EXPIRE', users, kept)
  answers[#answers + 1] = string.format('%.17g', tokens)
  answers[#answers + 1] = redis.call('ZCARD', users)
end
return answers
