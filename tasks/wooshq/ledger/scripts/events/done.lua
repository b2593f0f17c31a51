-- done.lua: a group has done these entries. They leave the stream when every other group has done them, too.
-- uses clock
-- uses full
-- uses events/trim
-- KEYS[1]   events   stream
-- KEYS[2]   telling  hash
-- ARGV      the group, then the entries
-- returns   1
-- cost      O(entries); the caller bounds how many
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
free_first(KEYS[2])
local names = {}
for i = 2, #ARGV do names[i - 1] = ARGV[i] end
done(KEYS[1], KEYS[2], ARGV[1], names)
return 1
