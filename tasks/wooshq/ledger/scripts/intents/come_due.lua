-- come_due.lua: which members of a sorted set have come due.
-- uses clock
-- KEYS[1]   leases | due | expiry  zset
-- ARGV      how many at most
-- returns   ids, the longest due first
-- cost      O(log set + ids)
-- moves     none
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
