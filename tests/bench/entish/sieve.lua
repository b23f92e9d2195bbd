-- SPDX-License-Identifier: Apache-2.0
local function sieve(n)
    local there = {}
    for i = 0, n do
        there[i] = true
    end
    local count = 0
    local i = 2
    while i <= n do
        if there[i] then
            count = count + 1
            local j = i + i
            while j <= n do
                there[j] = false
                j = j + i
            end
        end
        i = i + 1
    end
    return count
end

print(sieve(tonumber(arg[1])))
