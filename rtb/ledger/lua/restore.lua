-- ARGV: campaign, '1' to overwrite, then names and values of its figures. Returns 1, or 0 where there is money already
local campaign = campaign_key(ARGV[1])
local budget = tonumber(redis.call('HGET', campaign, 'budget') or 0)
if ARGV[2] ~= '1' and budget ~= 0 then return 0 end
local arm = arm_of(campaign)
if arm then redis.call('DEL', campaign_key(arm)) end
-- What a lease holds is in the old figures: returning it later would take it out of the new ones.
for _, id in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
  if tonumber(redis.call('HGET', lease_key(id), 'campaign')) % ARMS == tonumber(ARGV[1]) then
    redis.call('DEL', lease_key(id))
    redis.call('ZREM', LEASES, id)
  end
end
redis.call('DEL', campaign)
redis.call('HSET', campaign, unpack(ARGV, 3))
return 1
