-- forget_doubt.lua: takes a person out of an entry of a job's doubts. An entry of others, too, becomes a new one.
-- KEYS[1]   job:<job>:doubts  stream
-- ARGV      the entry, its fields `at` and `cause`, its field `who` without the person, or '' if it is about this person alone
-- returns   'done'
-- cost      O(1)
-- moves     none
-- again     same answer, changes nothing: the entry is gone
-- memory    works in a full Redis: the first write is XDEL
if redis.call('XDEL', KEYS[1], ARGV[1]) == 1 and ARGV[4] ~= '' then
  redis.call('XADD', KEYS[1], '*', 'at', ARGV[2], 'cause', ARGV[3], 'who', ARGV[4])
end
return 'done'
