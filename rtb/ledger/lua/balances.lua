-- ARGV: how many figures, their names, what stands for each where there is none, then campaigns.
-- Returns all figures of all campaigns in one text: a reply of a hundred thousand parts would take longer to read.
local count = tonumber(ARGV[1])
local names, found = {}, {}
for i = 1, count do names[i] = ARGV[i + 1] end
for i = 2 * count + 2, #ARGV do
  local row = redis.call('HMGET', campaign_key(ARGV[i]), unpack(names))
  for f = 1, count do
    if not row[f] then row[f] = ARGV[count + 1 + f] end
  end
  found[#found + 1] = table.concat(row, ' ')
end
return table.concat(found, ' ')
