// SPDX-License-Identifier: Apache-2.0
// C++ with iostream and map: counts the words of its input.
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct shape {
	virtual ~shape() = default;
	virtual double area() const = 0;
};

struct square : shape {
	explicit square(double side) : side(side) {}
	double area() const override { return side * side; }
	double side;
};

struct circle : shape {
	explicit circle(double radius) : radius(radius) {}
	double area() const override { return 3.14159265358979 * radius * radius; }
	double radius;
};

int
main()
{
	std::map<std::string, int> count;
	std::string word;

	while (std::cin >> word)
		count[word]++;
	for (const auto &entry : count)
		std::cout << std::setw(8) << std::left << entry.first << entry.second << '\n';

	std::vector<std::unique_ptr<shape>> shapes;
	shapes.push_back(std::make_unique<square>(3));
	shapes.push_back(std::make_unique<circle>(2));
	double sum = 0;
	for (const auto &s : shapes)
		sum += s->area();
	std::cout << "area " << std::fixed << std::setprecision(4) << sum << std::endl;
	return count.empty() ? 1 : 0;
}
