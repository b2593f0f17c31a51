-- row: the body in an intent's row. Redis keeps a hash in a third of the memory if no value has more than 64 bytes (hash-max-listpack-value), so
-- a small body is kept in pieces: `body`, `b1`, `b2` and so on. A larger body is one field.
local PIECE = 64
local PIECES = {'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8', 'b9', 'b10', 'b11', 'b12', 'b13', 'b14', 'b15', 'b16', 'b17', 'b18', 'b19', 'b20',
  'b21', 'b22', 'b23'}

-- Adds a body to a list of fields and values for HSET.
local function add_body(list, body)
  if #body > PIECE * (#PIECES + 1) then
    list[#list + 1], list[#list + 2] = 'body', body
    return
  end
  list[#list + 1], list[#list + 2] = 'body', string.sub(body, 1, PIECE)
  for n = 1, math.ceil(#body / PIECE) - 1 do
    list[#list + 1], list[#list + 2] = PIECES[n], string.sub(body, n * PIECE + 1, (n + 1) * PIECE)
  end
end

-- A row as a table of its fields, with the whole body.
local function read_row(key)
  local flat, row = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do row[flat[i]] = flat[i + 1] end
  if row.b1 then
    local pieces = {row.body}
    for n, name in ipairs(PIECES) do
      if not row[name] then break end
      pieces[n + 1] = row[name]
    end
    row.body = table.concat(pieces)
  end
  return row
end
