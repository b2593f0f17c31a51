-- keep_acts.lua: the history has the acts of the audit log up to this one, so the stream may drop them.
-- uses full
-- uses history
-- KEYS[1]   changes  stream
-- KEYS[2]   telling  hash
-- ARGV      id of the newest act that the history has, how many acts to drop at most
-- returns   <acts that the stream has>
-- cost      O(acts that are dropped)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
free_first(KEYS[2])
local kept = redis.call('HGET', KEYS[2], 'acts_kept')
if not kept or is_later(ARGV[1], kept) then redis.call('HSET', KEYS[2], 'acts_kept', ARGV[1]) end
trim_acts(KEYS[1], KEYS[2], tonumber(ARGV[2]))
return redis.call('XLEN', KEYS[1])
