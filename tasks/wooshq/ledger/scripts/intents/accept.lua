-- accept.lua: takes intents into the ledger. Each of them is in the ledger after it, or was before, or clashes with an earlier one.
-- uses clock
-- uses queue
-- uses bells
-- uses row
-- KEYS[1]   expiry  zset
-- KEYS[2]   counts  hash
-- KEYS[3]   bells   hash
-- KEYS[4…]  intent:<id>, one per intent, then idem:<digest> string, one per intent that has an idempotency key
-- ARGV[1]   how long an idempotency key is kept, ms
-- ARGV[2…]  one per intent, six lines (another argument costs the client more than another line costs here): 'e<expires_at ms>' | 't<ttl ms>' |
--           '', then 'h' if its row must have fields, then 'i' if it has an idempotency key, then a blank and its trace if it has one (then also
--           'h'); lane, application, model version, digest of the body or '', body and its letter. All but the first line become the row's text.
-- derived   queue:<lane>, ring:<lane>, telling, gone:<time>
-- returns   {<lanes whose bells the caller must ring, separated by blanks>, '' (new) | <id accepted earlier with the same body> |
--            '!<id accepted earlier with another body>' *}, one per intent after the first
-- cost      O(intents × log queue); the caller bounds how many
-- moves     intent → queued (new)
-- again     another answer, changes nothing: the first run's intents are known by their own ids
-- memory    refused by a full Redis: the first write is MSETNX, SET or HSET
local now = now_ms()
local now_text = string.format('%.0f', now)
local ledger = string.sub(KEYS[1], 1, -7)
local some_gone = some_are_gone(ledger, now)
local n = #ARGV - 1
local FIRST = '^(([^\n]*)\n([^\n]*)\n([^\n]*)\n[^\n]*\n([^\n]*)\n)'
local first, flag, lane, app, digest = '-'
local ids, lanes, apps, digests, flags, texts, expiries = {}, {}, {}, {}, {}, {}, {}

-- The rows that may be written together, if nothing speaks against it: one command costs less than many.
local function has_fields(flag) return string.find(flag, '^[et]?%d*h') end
local rows, some_apart = {}, #KEYS > 3 + n
local last_id, in_order = '', true
local never = now_text .. ' -'
for i = 1, n do
  local row, said = KEYS[3 + i], ARGV[1 + i]
  if string.sub(said, 1, #first) ~= first then first, flag, lane, app, digest = string.match(said, FIRST) end -- often they are alike
  ids[i], lanes[i], apps[i], digests[i], flags[i] = string.sub(row, #ledger + 8), lane, app, digest, flag
  if flag == '' then
    texts[i] = never .. said
  else
    local kind, ms = string.match(flag, '^([et])(%d+)')
    if kind == 't' then ms = string.format('%.0f', now + ms) end
    expiries[i] = ms
    texts[i] = now_text .. ' ' .. (ms or '-') .. string.sub(said, #flag + 1)
  end
  in_order = in_order and last_id < ids[i]
  some_apart = some_apart or has_fields(flag) or (some_gone and digest_of_gone(ledger, ids[i]))
  last_id = ids[i]
  rows[2 * i - 1], rows[2 * i] = row, texts[i]
end
if not in_order then -- otherwise they are all different
  local seen = {}
  for _, id in ipairs(ids) do some_apart, seen[id] = some_apart or seen[id], true end
end
local all_new = not some_apart and redis.call('MSETNX', unpack(rows)) == 1

-- Writes the row of a new intent. False if there is one with its id.
local function write(i)
  if not has_fields(flags[i]) then return redis.call('SET', KEYS[3 + i], texts[i], 'NX') end
  if redis.call('EXISTS', KEYS[3 + i]) == 1 then return false end
  local row, fields = unpacked(texts[i]), {}
  add_body(fields, row.body)
  row.body, row.trace = nil, string.match(flags[i], ' (.*)$')
  for name, value in pairs(row) do fields[#fields + 1], fields[#fields + 2] = name, value end
  redis.call('HSET', KEYS[3 + i], unpack(fields))
  return true
end

-- Writes the row of an intent, if that is new. Returns what the caller is told.
local function accept(i, idem)
  local id, digest = ids[i], digests[i]
  local kept = idem and redis.call('GET', idem)
  if kept and string.sub(kept, 1, 36) ~= id then
    return (string.sub(kept, 38) == digest and '' or '!') .. string.sub(kept, 1, 36)
  end
  local gone = some_gone and redis.call('EXISTS', KEYS[3 + i]) == 0 and digest_of_gone(ledger, id, digest)
  if gone then return gone == digest and id or '!' .. id end
  if not write(i) then
    return (digest == '' or fields_of(KEYS[3 + i], 'digest')[1] == digest) and id or '!' .. id
  end
  if idem then redis.call('SET', idem, id .. ' ' .. digest, 'PX', ARGV[1]) end
  return ''
end

local out, accepted, queues = {''}, 0, {}
local next_idem, last = 4 + n, {}
for i = 1, n do
  if all_new then
    out[i + 1] = ''
  else
    local idem
    if string.find(flags[i], '^[et]?%d*h?i') then idem, next_idem = KEYS[next_idem], next_idem + 1 end
    out[i + 1] = accept(i, idem)
  end
  if out[i + 1] == '' then
    local id, lane, app = ids[i], lanes[i], apps[i]
    if expiries[i] then redis.call('ZADD', KEYS[1], expiries[i], id) end
    if last.lane ~= lane or last.app ~= app then
      local name = lane .. ':' .. app
      queues[name] = queues[name] or {lane = lane, app = app, places = {}, after = 0, last = '', rank = now_text}
      last = queues[name]
    end
    -- In this order, although all were accepted in the same ms: of equal ranks, the lower id comes first.
    if id <= last.last then
      last.after = last.after + 1
      last.rank = string.format('%.3f', now + last.after / 1000)
    end
    last.last = id
    local places = last.places
    places[#places + 1] = last.rank
    places[#places + 1] = id
    accepted = accepted + 1
  end
end
if accepted == 0 then return out end
redis.call('HINCRBY', KEYS[2], 'accepted', accepted)
local lanes_rung, bells = {}, {}
for name, queue in pairs(queues) do
  redis.call('ZADD', ledger .. 'queue:' .. name, unpack(queue.places))
  redis.call('ZADD', ledger .. 'ring:' .. queue.lane, 'NX', turn_of(now, 0), queue.app)
  lanes_rung[queue.lane] = true
end
for _, lane in ipairs({'transactional', 'bulk'}) do
  if lanes_rung[lane] and must_ring(KEYS[3], lane, now) then bells[#bells + 1] = lane end
end
out[1] = table.concat(bells, ' ')
return out
