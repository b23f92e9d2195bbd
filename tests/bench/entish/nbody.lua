-- SPDX-License-Identifier: Apache-2.0
local sqrt = math.sqrt

local function advance(x, y, z, vx, vy, vz, m, dt)
    for i = 1, 5 do
        for k = i + 1, 5 do
            local dx = x[i] - x[k]
            local dy = y[i] - y[k]
            local dz = z[i] - z[k]
            local d = dx * dx + dy * dy + dz * dz
            local mag = dt / (d * sqrt(d))
            vx[i] = vx[i] - dx * m[k] * mag
            vy[i] = vy[i] - dy * m[k] * mag
            vz[i] = vz[i] - dz * m[k] * mag
            vx[k] = vx[k] + dx * m[i] * mag
            vy[k] = vy[k] + dy * m[i] * mag
            vz[k] = vz[k] + dz * m[i] * mag
        end
    end
    for i = 1, 5 do
        x[i] = x[i] + dt * vx[i]
        y[i] = y[i] + dt * vy[i]
        z[i] = z[i] + dt * vz[i]
    end
end

local function energy(x, y, z, vx, vy, vz, m)
    local e = 0.0
    for i = 1, 5 do
        e = e + 0.5 * m[i] * (vx[i] * vx[i] + vy[i] * vy[i] + vz[i] * vz[i])
        for k = i + 1, 5 do
            local dx = x[i] - x[k]
            local dy = y[i] - y[k]
            local dz = z[i] - z[k]
            e = e - m[i] * m[k] / sqrt(dx * dx + dy * dy + dz * dz)
        end
    end
    return e
end

local x = {0.00000000000000000, 4.84143144246472090, 8.34336671824457987, 12.89436956213913099, 15.37969711485091651}
local y = {0.00000000000000000, -1.16032004402742839, 4.12479856412430479, -15.11115140169863125, -25.91931460998796410}
local z = {0.00000000000000000, -0.10362204447112311, -0.40352341711432138, -0.22330757889265573, 0.17925877295037118}
local vx = {-0.00038766340719921, 0.60632639299583202, -1.01077434617714390, 1.08279100644153536, 0.97909073224389798}
local vy = {-0.00327535903717657, 2.81198684491626016, 1.82566237123041186, 0.86871301816960822, 0.59469899864767617}
local vz = {0.00002393573408000, -0.02521836165988763, 0.00841576137658415, -0.01083263740136364, -0.03475595550407810}
local m = {39.47841760435743197, 0.03769367487038949, 0.01128632613196877, 0.00172372405705971, 0.00203368686992463}
for step = 1, tonumber(arg[1]) do
    advance(x, y, z, vx, vy, vz, m, 0.01)
end
print(math.ceil(energy(x, y, z, vx, vy, vz, m) * 1e9))
