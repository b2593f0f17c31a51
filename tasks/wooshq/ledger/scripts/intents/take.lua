-- take.lua: a worker takes intents that may leave now, from `queued` in one step. Nobody else can send them until its lease ends. What may
-- not leave stays where it is: an application whose gate is shut, or which has no slot under its rate, loses only this turn.
-- uses clock
-- uses full
-- uses letters
-- uses gates
-- uses pace
-- uses queue
-- uses bells
-- uses row
-- KEYS[1]   leases                              zset
-- KEYS[2]   expiry                              zset
-- KEYS[3]   counts                              hash
-- KEYS[4]   gates                               hash
-- KEYS[5]   bells                               hash
-- KEYS[6]   ring:<lane>                         zset
-- KEYS[7]   suspects:<lane>                     zset
-- KEYS[8]   took:<taker>                        string
-- KEYS[9]   limits                              hash
-- ARGV      JSON: {token (of this call), lane, most (intents; 0: the worker goes to sleep), bytes (of bodies at most; one body is always
--           taken), suspects (true: take a group of suspects, and nothing else), poison_after, lease_ms, probes (that a gate may have in
--           progress), probe_ms (how long one may take), share (the transactional lane's part of the rate), ahead_ms (how far ahead slots
--           are given), awake_ms (for how long the worker looks by itself if it took something),
--           woken (true: it slept until it heard a bell), keep_ms (an ended intent), letter_ms,
--           rate (an application's calls a second, if it has a ceiling), rates (by application)}
-- derived   events, telling, causes, cause:<cause>, queue:<lane>, intent:<id>, pace:<application>, letter:<letter> (of an intent that is a replay and expires),
--           replay:<replay> (of such a letter)
-- returns   {<now, ms>, <1: more may leave now>, <in how many ms something may leave that may not leave now, or -1>, <suspects whose turn it is>,
--            <1: the caller must ring for others>, <ids that expired, separated by blanks>,
--            <a line per intent: id, leaves in so many ms, 1 if its answer may open a gate (else 0); if its row has fields also fence, lost,
--             attempts, rounds, calls without an answer, when it first failed ms or '-', how long it has waited since ms, the application
--             whose token is used instead or '-'; then, if there is one, after a tab the trace of its producer or '', and after another that of its
--             last send or ''>, <its row, as a text that says that it waits> *}
-- cost      O(intents × log queue + gates + applications, 64 at most)
-- moves     intent queued → sending (taken), expired (expire); letter replaying → open (unsent); outcome begun → expired (expire)
-- again     same answer but the time, changes nothing: took:<taker> has the token, and what was taken
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local now_text = string.format('%.0f', now)
local a = cjson.decode(ARGV[1])
local prefix = string.sub(KEYS[1], 1, -7)

-- A row that has fields as a text, and what the text does not say.
local function as_text(v)
  return v.at .. ' ' .. (v.expires or '-') .. '\n' .. v.lane .. '\n' .. v.app .. '\n' .. v.v .. '\n' .. (v.digest or '') .. '\n' .. v.body
end
local function more_of(v)
  local traces = (v.trace or v.traced) and '\t' .. (v.trace or '') .. '\t' .. (v.traced or '') or ''
  return table.concat({'', v.fence or '0', v.lost or '0', v.n or '0', v.rounds or '0', v.doubts or '0', v.failed_at or '-', v.waited_ms or '0',
    v.token_of or '-'}, ' ') .. traces
end

-- This call ran before, and its answer was lost.
if redis.call('GETRANGE', KEYS[8], 0, #a.token - 1) == a.token then
  local more, again, suspects, ring, ended, lines =
    string.match(redis.call('GET', KEYS[8]), '^%S+ (%d+) (%S+) (%d+) (%d+)\n([^\n]*)\n(.*)$')
  local heads, texts = {}, {}
  for head, id in string.gmatch(lines, '((%S+) %S+ %S+)[^\n]*') do
    local row = prefix .. 'intent:' .. id
    local is_text = packed(row)
    local v = is_text and unpacked(is_text) or read_fields(row)
    if v.state == 'sending' and v.lease == a.token then
      heads[#heads + 1] = is_text and head or head .. more_of(v)
      texts[#texts + 1] = is_text and string.match(is_text, '^(.*)\n') or as_text(v)
    end
  end
  return {now, tonumber(more), tonumber(again), tonumber(suspects), tonumber(ring), ended, table.concat(heads, '\n'), unpack(texts)}
end

free_first(KEYS[3])
local gates = gates_by_application(KEYS[4])
local every = gates['*']
local room, bytes = tonumber(a.most), tonumber(a.bytes)
local lease_ends = string.format('%.0f', now + a.lease_ms)
local again = -1
local taken, rows, expired, leases = {}, {}, {}, {}

local function comes(ms)
  if again < 0 or ms < again then again = ms end
end

local applications = {}

-- What this call knows of an application. probe: 1 while a gate is tested. is_gated: some gate is not open, or its lane is paused.
-- one_at_a_time: a probe may leave somebody in doubt.
local function application(app)
  local known = applications[app]
  if known then return known end
  known = {app = app, probe = (every or gates[app]) and 1 or 0}
  known.probe_text = ' ' .. known.probe
  known.is_gated = known.probe == 1 or gates['*/' .. a.lane] or gates[app .. '/' .. a.lane]
  applications[app] = known
  for _, list in ipairs({every or {}, gates[app] or {}}) do
    for _, entry in ipairs(list) do known.one_at_a_time = known.one_at_a_time or entry.g.probes end
  end
  known.pace = pace_open(prefix .. 'pace:' .. app, KEYS[9], app, (a.rates and a.rates[app]) or a.rate or '', a.share, a.ahead_ms, now)
  return known
end

-- Whether a gate of an application lets nothing more through now.
local function is_shut(known)
  local entry = gate_against(gates, known.app, a.lane, now, a.probes)
  if not entry then return false end
  local g = entry.g
  if g.until_ms > now then
    comes(g.until_ms - now)
  elseif g.until_ms > 0 then
    comes(math.max(1, (g.probe_until or 0) - now))
  end
  return true
end

local held = '\n' .. a.token .. ' ' .. now_text

-- Takes one intent if it may leave. text: its row, if that is one text. Returns 'taken', 'gone' (it does not wait any more), or what holds
-- it: 'bytes', 'gate' or 'slot'.
local function take(id, row, known, text)
  local v = not text and read_fields(row)
  if text then
    if not is_queued(text) then return 'gone' end
  elseif v.state ~= 'queued' then
    return 'gone'
  end
  local expires = text and expires_of(text) or v and v.expires
  if expires and tonumber(expires) <= now then
    if text then spread(row) end
    finish_expired(row, id, 'queued', now, a.keep_ms, KEYS[2], KEYS[3], {})
    reopen_letter(row, id, 'expired', a.letter_ms)
    expired[#expired + 1] = id
    return 'gone'
  end
  if bytes <= 0 then return 'bytes' end
  if known.is_gated and is_shut(known) then return 'gate' end
  local leaves, later = pace_slot(known.pace, a.lane)
  if not leaves then
    comes(math.ceil(later))
    return 'slot'
  end
  local head = id .. (leaves < 1 and ' 0' or ' ' .. math.floor(leaves)) .. known.probe_text
  if text then
    redis.call('APPEND', row, held)
    bytes = bytes - #text
    rows[#rows + 1] = text
  else
    v.fence = tostring(tonumber(v.fence or 0) + 1)
    if v.failed_at then
      v.waited_ms = tostring(tonumber(v.waited_ms or 0) + math.max(0, now - tonumber(v.queued_at or now)))
      redis.call('HSET', row, 'state', 'sending', 'lease', a.token, 'fence', v.fence, 'begun', now_text, 'waited_ms', v.waited_ms)
    else
      redis.call('HSET', row, 'state', 'sending', 'lease', a.token, 'fence', v.fence, 'begun', now_text)
    end
    bytes = bytes - #v.body
    head = head .. more_of(v)
    rows[#rows + 1] = as_text(v)
  end
  if known.probe == 1 then
    count_probe(KEYS[4], every, now, a.probe_ms)
    count_probe(KEYS[4], gates[known.app], now, a.probe_ms)
  end
  room = room - 1
  leases[#leases + 1] = lease_ends
  leases[#leases + 1] = id
  taken[#taken + 1] = head
  return 'taken'
end

-- The ids that come next in an application's queue. One in doubt keeps its place, but while a gate is tested by one call at a time it comes
-- after all others.
local function next_ids(queue, app, known, most)
  local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')
  if not last[2] or tonumber(last[2]) < IN_DOUBT then return redis.call('ZRANGE', queue, 0, most - 1) end
  local one_by_one = {}
  local function add(list)
    for i = 1, #list, 2 do
      local rank = tonumber(list[i + 1])
      one_by_one[list[i]] = (rank >= IN_DOUBT and not known.one_at_a_time) and rank - IN_DOUBT or rank
    end
  end
  add(redis.call('ZRANGE', queue, 0, most - 1, 'WITHSCORES'))
  if not known.one_at_a_time then
    add(redis.call('ZRANGEBYSCORE', queue, IN_DOUBT, '+inf', 'WITHSCORES', 'LIMIT', 0, most))
  else
    local other = redis.call('ZRANGE', prefix .. 'queue:' .. (a.lane == 'bulk' and 'transactional' or 'bulk') .. ':' .. app, 0, 0, 'WITHSCORES')
    local other_waits = other[2] and tonumber(other[2]) < IN_DOUBT
    for id, rank in pairs(one_by_one) do
      if other_waits and rank >= IN_DOUBT then one_by_one[id] = nil end
    end
  end
  local ids = {}
  for id in pairs(one_by_one) do ids[#ids + 1] = id end
  table.sort(ids, function(x, y)
    if one_by_one[x] ~= one_by_one[y] then return one_by_one[x] < one_by_one[y] end
    return x < y
  end)
  while #ids > most do ids[#ids] = nil end
  return ids
end

-- One turn of an application. Whether it has more that may leave now.
local function turn(app, most)
  local known = application(app)
  if known.is_gated and is_shut(known) then return false end
  local queue = prefix .. 'queue:' .. a.lane .. ':' .. app
  local ids, outcome = next_ids(queue, app, known, most), nil
  if #ids > 0 then
    local keys, done = {}, {}
    for i, id in ipairs(ids) do keys[i] = prefix .. 'intent:' .. id end
    -- Under a ceiling only a few of them may have a slot.
    local found = not known.pace.limit and redis.call('MGET', unpack(keys))
    for i, id in ipairs(ids) do
      outcome = take(id, keys[i], known, found and found[i] or not found and packed(keys[i]))
      if outcome ~= 'taken' and outcome ~= 'gone' then break end
      done[i] = id
    end
    if #done > 0 then redis.call('ZREM', queue, unpack(done)) end
  end
  if redis.call('EXISTS', queue) == 0 then
    redis.call('ZREM', KEYS[6], app)
    return false
  end
  return outcome ~= 'slot' and outcome ~= 'gate' and #ids > 0
end

local more = 0

local function take_in_turns()
  local apps = redis.call('ZRANGE', KEYS[6], 0, 63)
  local left = {}
  for i, app in ipairs(apps) do
    if room <= 0 or bytes <= 0 then
      left[#left + 1] = app
    else
      redis.call('ZADD', KEYS[6], 'XX', turn_of(now, i), app)
      if turn(app, math.max(1, math.ceil(room / (#apps - i + 1)))) then left[#left + 1] = app end
    end
  end
  for _, app in ipairs(left) do
    if room <= 0 or bytes <= 0 or turn(app, room) then more = 1 end
  end
  if #apps == 64 and more == 0 and redis.call('ZCARD', KEYS[6]) > 64 then more = 1 end
end

-- Suspects leave in groups: a quarter as many with every further lost worker, and one alone before it is called poison.
local function take_suspects()
  local ids = redis.call('ZRANGEBYSCORE', KEYS[7], '-inf', now, 'LIMIT', 0, 16)
  local size
  local done = {}
  for _, id in ipairs(ids) do
    local row = prefix .. 'intent:' .. id
    local v = fields_of(row, 'app', 'lost')
    local own = math.min(16, 4 ^ math.max(0, a.poison_after - 2 - tonumber(v[2] or 0)))
    size = size or own
    local known = application(v[1] or '')
    if own == size and #taken < size and room > 0 then
      local outcome = take(id, row, known, packed(row))
      if outcome == 'taken' or outcome == 'gone' then done[#done + 1] = id end
    end
  end
  if #done > 0 then redis.call('ZREM', KEYS[7], unpack(done)) end
end

if a.suspects then
  take_suspects()
elseif room > 0 then
  take_in_turns()
end

if #leases > 0 then redis.call('ZADD', KEYS[1], unpack(leases)) end
for _, known in pairs(applications) do pace_close(known.pace) end

local suspects = redis.call('ZCOUNT', KEYS[7], '-inf', now)
local rests = redis.call('ZRANGEBYSCORE', KEYS[7], '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if rests[2] then comes(math.ceil(tonumber(rests[2]) - now)) end
local ring = 0
if not a.suspects then
  local awake = 0
  if a.most > 0 and (more == 1 or #taken > 0) then
    awake = a.awake_ms
  elseif a.most > 0 and again >= 0 then
    awake = math.min(again, 1000) + a.awake_ms
  end
  answer_bells(KEYS[5], a.lane, now, awake, a.woken, more == 1)
  if more == 1 or (a.most == 0 and (suspects > 0 or redis.call('EXISTS', KEYS[6]) == 1)) then
    ring = ring_for_others(KEYS[5], a.lane, now) and 1 or 0
  end
end
local ended, heads = table.concat(expired, ' '), table.concat(taken, '\n')
redis.call('SET', KEYS[8], table.concat({a.token, more, again, suspects, ring}, ' ') .. '\n' .. ended .. '\n' .. heads, 'PX', a.lease_ms)
tell_all(now_text)
return {now, more, again, suspects, ring, ended, heads, unpack(rows)}
