-- facts.lua: what an event says of messages and letters that have ended. Nothing of it is personal.
-- uses row
-- KEYS[1]   subscribers  zset; only for the names of other keys
-- ARGV      'intent' | 'letter', then ids
-- derived   intent:<id>, letter:<letter>
-- returns   {{<state, or ''>, <application, or ''>, <lane, or ''>, <reason, or ''>, <when it ended, ms, or ''>} *}
-- cost      O(ids); the caller bounds how many
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: it only reads
local prefix = string.match(KEYS[1], '^[^}]*}:')
local out = {}
for i = 2, #ARGV do
  local v = fields_of(prefix .. ARGV[1] .. ':' .. ARGV[i], 'state', 'app', 'lane', 'reason', ARGV[1] == 'intent' and 'ended' or 'changed')
  local row = {}
  for k = 1, 5 do row[k] = v[k] or '' end
  out[i - 1] = row
end
return out
