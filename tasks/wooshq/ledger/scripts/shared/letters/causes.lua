-- causes: open letters by their cause, counted in the step that files, opens or closes one. A cause is a reason, what was said (without what
-- differs from answer to answer), and an application; its id is two remainders of the three texts, see remainders.
-- Keys, all built here: causes (zset: cause → open letters), cause:<cause> (hash: reason, detail, app; named, how many identifiers its letters
-- have; back, when letters came after there was none, ms; until, noted, by, why, of somebody who ignores it; looked, see tidy.lua), and of each
-- cause: its open letters (…:letters, zset like `letters`), how many were filed in each half hour (…:line, hash: half hour since the epoch →
-- letters), and registers that say roughly how many people they concern (…:people, see add_people).
-- uses row
local HALF_HOUR, LINE = 1800000, 48
local REGISTERS = 2048
local PRIME_A, PRIME_B = 16777213, 16777199
local LISTS, KINDS = {'users', 'hwids', 'push_tokens', 'test_devices'}, {'transactional', 'segment'}
local causes_known = {}

-- What was said, without places in a list and long numbers. `comparable` in filter.py is the same in Python.
local function comparable(detail)
  detail = string.gsub(detail, '%[%d+%]', '[n]')
  if #detail < 12 then return detail end
  return (string.gsub(detail, '[%w_-]+', function(run)
    if #run < 12 then return nil end
    local out, hex = {}, {}
    local function take_number()
      local number = table.concat(hex, '-')
      if number ~= '' then out[#out + 1] = #number >= 12 and string.find(number, '%d') and '#' or number end
      hex = {}
    end
    for part in string.gmatch(run .. '-', '([^-]*)-') do
      if part ~= '' and not string.find(part, '%X') then
        hex[#hex + 1] = part
      else
        take_number()
        out[#out + 1] = part
      end
    end
    take_number()
    return table.concat(out, '-')
  end))
end

-- A text as a number, divided by two primes. No SHA-1: a Redis in memory has none for scripts.
local function remainders(text)
  local a, b = 0, 0
  for at = 1, #text, 64 do
    for _, byte in ipairs({string.byte(text, at, at + 63)}) do
      a, b = (a * 256 + byte) % PRIME_A, (b * 256 + byte) % PRIME_B
    end
  end
  return a, b
end

local function cause_of(reason, detail, app)
  local key = reason .. '\n' .. app .. '\n' .. detail
  local found = causes_known[key]
  if not found then
    local said = comparable(detail)
    found = {id = string.format('%06x%06x', remainders(reason .. '\n' .. app .. '\n' .. said)), said = said}
    causes_known[key] = found
  end
  return found.id, found.said
end

local function add_lists(found, place)
  if type(place) ~= 'table' then return end
  for _, name in ipairs(LISTS) do
    local list = place[name]
    if type(list) == 'table' and type(list.list) == 'table' then list = list.list end
    if type(list) == 'table' then
      for _, one in ipairs(list) do
        if type(one) == 'string' then found[#found + 1] = one end
      end
    end
  end
end

-- Everybody whom an intent names. body: its JSON, or anything else.
local function people_in(body)
  local ok, data = pcall(cjson.decode, body or '')
  local found = {}
  if not ok or type(data) ~= 'table' then return found end
  add_lists(found, data.to)
  for _, kind in ipairs(KINDS) do add_lists(found, type(data.request) == 'table' and data.request[kind] or nil) end
  return found
end

-- The fifth power, which makes numbers that follow each other look like chance. No two numbers have the same.
local function mixed(x, prime)
  local square = (x * x) % prime
  return (square * square) % prime * x % prime
end

-- Counts people roughly in constant memory, and keeps nothing that names them (HyperLogLog, Flajolet et al. 2007; own registers, because a user
-- of Redis with the rights of the docs may not use PFADD). A register has one byte: 'a' is 1.
local function add_people(key, people)
  for _, one in ipairs(people) do
    local a, b = remainders(one)
    a, b = mixed(a, PRIME_A), mixed(b, PRIME_B)
    local place = mixed((a + b) % PRIME_A, PRIME_A) % REGISTERS
    local rest, rank = mixed((b + 7 * a) % PRIME_B, PRIME_B), 1
    while rank < 25 and rest < 2 ^ (24 - rank) do rank = rank + 1 end
    local before = redis.call('GETRANGE', key, place, place)
    local now = string.char(96 + rank)
    if before == '' or before < now then redis.call('SETRANGE', key, place, now) end
  end
end

-- The cause is kept as long as each of its letters, and up to an hour longer: then it need not be said for each.
local function keep_cause(key, keep_ms)
  if redis.call('PTTL', key .. ':letters') >= keep_ms then return end
  for _, part in ipairs({'', ':letters', ':people'}) do redis.call('PEXPIRE', key .. part, keep_ms + 2 * HALF_HOUR) end
end

local function note_filed(key, filed, now)
  local slot = math.floor(filed / HALF_HOUR)
  local oldest = math.floor(now / HALF_HOUR) - LINE
  if slot <= oldest then return end
  if redis.call('HINCRBY', key .. ':line', slot, 1) == 1 then
    for _, one in ipairs(redis.call('HKEYS', key .. ':line')) do
      if tonumber(one) <= oldest then redis.call('HDEL', key .. ':line', one) end
    end
    redis.call('PEXPIRE', key .. ':line', (LINE + 1) * HALF_HOUR)
  end
end

-- How many letters of a cause are open.
local function note_open(prefix, id, key)
  local n = redis.call('ZCARD', key .. ':letters')
  redis.call('ZADD', prefix .. 'causes', n, id)
  return n
end

-- A letter is open. v: reason, detail, app. filed: when, ms. keep_ms: how long it is kept. now: ms; nil for a letter that was filed before and
-- only opens again.
local function count_open(prefix, letter, v, filed, keep_ms, now)
  local id, said = cause_of(v[1] or '', v[2] or '', v[3] or '')
  local key = prefix .. 'cause:' .. id
  if redis.call('ZADD', key .. ':letters', filed, letter) == 0 then return end
  local open, is_known = note_open(prefix, id, key), redis.call('HGET', key, 'reason')
  if not is_known then
    redis.call('HSET', key, 'reason', v[1] or '', 'detail', said, 'app', v[3] or '')
  elseif now and open == 1 then
    redis.call('HSET', key, 'back', filed, 'named', 0)
    redis.call('DEL', key .. ':people')
  end
  if now then
    note_filed(key, filed, now)
    local people = people_in(read_row(prefix .. 'intent:' .. letter).body)
    redis.call('HINCRBY', key, 'named', #people)
    add_people(key .. ':people', people)
  end
  keep_cause(key, keep_ms)
end

-- A letter is not open any more. v: see count_open.
local function count_closed(prefix, letter, v)
  local id = cause_of(v[1] or '', v[2] or '', v[3] or '')
  local key = prefix .. 'cause:' .. id
  if redis.call('ZREM', key .. ':letters', letter) == 1 then note_open(prefix, id, key) end
end

-- Forgets a cause that has no open letters.
local function forget_cause(prefix, id)
  local key = prefix .. 'cause:' .. id
  redis.call('ZREM', prefix .. 'causes', id)
  redis.call('DEL', key, key .. ':letters', key .. ':line', key .. ':people')
end
