-- ARGV: lease, micros ever reserved from it, when it goes back (inf: as granted), whose bids it paid (empty: nobody's)
local key = lease_key(ARGV[1])
local state = redis.call('HMGET', key, 'campaign', 'leased', 'freed', 'closed', 'caller')
if not state[1] or state[4] == '1' then return 0 end
local campaign, leased = account_key(state[1]), tonumber(state[2])
local outstanding = math.min(leased, math.max(0, tonumber(ARGV[2]) - tonumber(state[3])))
redis.call('HSET', key, 'leased', 0, 'reserved', outstanding, 'closed', 1)
if tonumber(ARGV[3]) < math.huge then redis.call('ZADD', LEASES, ARGV[3], ARGV[1]) end
redis.call('HINCRBY', campaign, 'leased', 0 - leased)
redis.call('HINCRBY', campaign, 'reserved', outstanding)
redis.call('HINCRBY', campaign, 'available', leased - outstanding)
if state[5] then
  hold(campaign, state[5], outstanding - leased)
elseif ARGV[4] ~= '' then
  redis.call('HSET', key, 'caller', ARGV[4])
  hold(campaign, ARGV[4], outstanding)
end
return leased - outstanding
