-- ARGV: bid, seconds, then marks
for i = 3, #ARGV do first(ARGV[1], ARGV[i], ARGV[2]) end
return #ARGV - 2
