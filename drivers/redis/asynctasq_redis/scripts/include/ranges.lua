-- The ranges of scores, ascending, that hold the tasks of one state ('' = of all states) as {first, last or '(last'}.
-- What time has ended and nobody has stored yet is missing from, or may stand in, a range: look at `state_of` as well.
local function ranges_of(state)
  local ranges = {}
  local function add(zone, from, to)
    ranges[#ranges + 1] = { from and above(zone * ZONE + from) or digits(zone * ZONE),
                            to and digits(zone * ZONE + to) or above((zone + 1) * ZONE) }
  end
  if state == '' then
    for zone = 0, CANCELLED do add(zone) end
  elseif state == 'completed' then add(COMPLETED)
  elseif state == 'dead' then add(DEAD)
  elseif state == 'cancelled' then add(CANCELLED)
  elseif state == 'ready' then
    for zone = 0, DOOMED - 1 do add(zone, nil, now) end
  elseif state == 'scheduled' then
    for zone = 0, DOOMED - 1, 2 do add(zone, now) end
    add(DOOMED, now)
  else
    for zone = 1, DOOMED - 1, 2 do add(zone, now) end
    add(DOOMED_LEASED, now)
    add(CANCEL_REQUESTED, now)
  end
  return ranges
end
