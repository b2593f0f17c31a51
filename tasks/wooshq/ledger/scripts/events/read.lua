-- read.lua: rows of what has ended. One answer for many: a pipeline of commands takes several times as long.
-- uses row
-- KEYS[1]   telling  hash; only for the names of other keys
-- ARGV      how many bytes of rows at most (those of one are always read), then '<kind> <id>' each
-- derived   intent:<id>, letter:<letter>, job:<job>
-- returns   {<an intent's row that is one text> | {{<field or value> *} *} *}, the rows of the first ones that fit: of an intent or a job its row; of a letter
--            its row, and then those of its intent and of its replays (of one that is one text only that); a row that is not there is empty
-- cost      O(size of the rows); the caller bounds it
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: it only reads
local prefix = string.match(KEYS[1], '^[^}]*}:')
local most, bytes, out = tonumber(ARGV[1]), 0, {}

local function read(key)
  local text = packed(key)
  if text then
    bytes = bytes + #text
    return {text}
  end
  local row = redis.call('HGETALL', key)
  for n = 2, #row, 2 do bytes = bytes + #row[n] end
  return row
end

for i = 2, #ARGV do
  local kind, id = string.match(ARGV[i], '^(%S+) (%S+)$')
  local rows = {}
  if kind == 'job' then
    rows[1] = read(prefix .. 'job:' .. id)
  elseif kind == 'letter' then
    rows[1] = read(prefix .. 'letter:' .. id)
    rows[2] = read(prefix .. 'intent:' .. id)
    for replay in string.gmatch(redis.call('HGET', prefix .. 'letter:' .. id, 'replays') or '', '%S+') do
      rows[#rows + 1] = read(prefix .. 'intent:' .. replay)
    end
  else
    rows[1] = read(prefix .. 'intent:' .. id)
    if #rows[1] == 1 then rows = rows[1][1] end
  end
  if bytes > most and i > 2 then break end
  out[i - 1] = rows
end
return out
