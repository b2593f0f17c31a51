-- untold.lua: which of these rows have ended, and the history does not have them as they are now? For the sweep.
-- uses row
-- KEYS[1]   telling  hash; only for the names of other keys
-- ARGV      'intent <id>' | 'letter <letter>' | 'job <job>' each
-- derived   intent:<id>, letter:<letter>, job:<job>
-- returns   {<kind and id> *}
-- cost      O(rows); the caller bounds how many
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: it only reads
local prefix = string.match(KEYS[1], '^[^}]*}:')
local FINAL = {sent = true, dead = true, expired = true, cancelled = true, closed = true, discarded = true}
local out = {}
for _, name in ipairs(ARGV) do
  local kind, id = string.match(name, '^(%S+) (%S+)$')
  local v = fields_of(prefix .. kind .. ':' .. id, 'state', 'told', 'changed', 'ended', 'filed')
  local has_ended = v[1] and FINAL[v[1]]
  if kind == 'job' then has_ended = v[4] end
  if has_ended and v[2] ~= (v[3] or v[4] or v[5]) then out[#out + 1] = (kind == 'intent' and v[1] or kind) .. ' ' .. id end
end
return out
