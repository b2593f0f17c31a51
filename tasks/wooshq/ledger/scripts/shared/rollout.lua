-- rollout: the steps of a roll-out.

-- The numbers of recipients at which the steps end.
local function rollout_steps(text)
  local steps = {}
  for n in string.gmatch(text, '%d+') do steps[#steps + 1] = n end
  return steps
end

-- How many recipients were refused or are in doubt. A recipient that is both counts once.
local function gone_wrong(job)
  local v = redis.call('HMGET', job, 'dead', 'unknown', 'dead_in_doubt')
  return tonumber(v[1] or 0) + tonumber(v[2] or 0) - tonumber(v[3] or 0)
end

-- Begins the next step. Recipients that were begun before do not count in it. After the last step nothing bounds the job.
local function begin_next_rollout_step(job)
  local v = redis.call('HMGET', job, 'steps', 'step', 'begun')
  local next_one = tonumber(v[2]) + 1
  local allow = rollout_steps(v[1])[next_one]
  if allow then
    redis.call('HSET', job, 'step', next_one, 'allow', allow)
  else
    redis.call('HDEL', job, 'allow')
  end
  redis.call('HSET', job, 'step_begun', v[3] or 0, 'step_bad', gone_wrong(job))
end
