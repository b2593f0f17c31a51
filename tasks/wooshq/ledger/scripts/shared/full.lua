-- full: lets a script work in a full Redis (`maxmemory` reached, `noeviction`; known fault F27). Redis then refuses a script whose first
-- write may need memory, and lets all its later writes through. A script whose own first write may need memory makes this one before it.
-- key: a hash, or a key that does not exist.
local function free_first(key)
  redis.call('HDEL', key, '')
end
