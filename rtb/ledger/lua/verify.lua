-- ARGV: of each campaign its number, the least it spent, and the least it gave to others. Returns those that know less.
-- What a campaign gave is not counted where it was opened by a Raybid that did not count it.
local behind = {}
for i = 1, #ARGV, 3 do
  local key = campaign_key(ARGV[i])
  local row = redis.call('HMGET', key, 'budget', 'spent', 'given', 'behind')
  if row[1] then
    local spent, given, arm = tonumber(row[2] or 0), tonumber(row[3] or 'inf'), arm_of(key)
    if arm then spent = spent + tonumber(redis.call('HGET', campaign_key(arm), 'spent') or 0) end
    local is_behind = spent < tonumber(ARGV[i + 1]) or given < tonumber(ARGV[i + 2])
    if is_behind then behind[#behind + 1] = ARGV[i] end
    if is_behind ~= (row[4] == '1') then
      redis.call('HSET', key, 'behind', is_behind and 1 or 0)
      if arm then redis.call('HSET', campaign_key(arm), 'behind', is_behind and 1 or 0) end
    end
  end
end
return behind
