-- row: the body in an intent's row. Redis keeps a hash in a third of the memory if no value has more than 64 bytes (hash-max-listpack-value), so
-- a small body is kept in pieces: `body`, `body:1`, `body:2` and so on. A larger body is one field.
local PIECE, PIECES = 64, 24

-- Adds a body to a list of fields and values for HSET.
local function add_body(list, body)
  if #body > PIECE * PIECES then
    list[#list + 1], list[#list + 2] = 'body', body
    return
  end
  list[#list + 1], list[#list + 2] = 'body', string.sub(body, 1, PIECE)
  for n = 1, math.ceil(#body / PIECE) - 1 do
    list[#list + 1], list[#list + 2] = 'body:' .. n, string.sub(body, n * PIECE + 1, (n + 1) * PIECE)
  end
end

-- A row as a table of its fields, with the whole body.
local function read_row(key)
  local flat, row = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do row[flat[i]] = flat[i + 1] end
  if row['body:1'] then
    local pieces = {row.body}
    local n = 1
    while row['body:' .. n] do
      pieces[n + 1] = row['body:' .. n]
      n = n + 1
    end
    row.body = table.concat(pieces)
  end
  return row
end
