-- ARGV: now, most leases to look at. Returns micros, leases looked at
local returned = 0
local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(expired) do
  local state = redis.call('HMGET', lease_key(id), 'campaign', 'leased', 'reserved', 'caller')
  local campaign, leased, reserved = account_key(state[1]), tonumber(state[2]), tonumber(state[3])
  redis.call('HINCRBY', campaign, 'leased', 0 - leased)
  redis.call('HINCRBY', campaign, 'reserved', 0 - reserved)
  redis.call('HINCRBY', campaign, 'available', leased + reserved)
  hold(campaign, state[4], 0 - leased - reserved)
  lose_credit(campaign, state[4], reserved)
  redis.call('DEL', lease_key(id))
  redis.call('ZREM', LEASES, id)
  returned = returned + leased + reserved
end
return {returned, #expired}
