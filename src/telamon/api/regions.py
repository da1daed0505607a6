"""Names of clouds, their regions and the sizes of instances, for clients that choose from a list.

Telamon runs nothing in a cloud, and takes other names as well. Each provider's default region comes
first.
"""

from collections.abc import Mapping, Sequence

INSTANCE_SIZES: Sequence[str] = ("M10", "M20", "M30", "M40", "M50", "M60", "M80", "M140", "M200")

REGIONS: Mapping[str, Sequence[str]] = {
    "AWS": (
        "US_EAST_1",
        "US_EAST_2",
        "US_WEST_1",
        "US_WEST_2",
        "CA_CENTRAL_1",
        "SA_EAST_1",
        "EU_WEST_1",
        "EU_WEST_2",
        "EU_WEST_3",
        "EU_CENTRAL_1",
        "EU_NORTH_1",
        "AP_SOUTH_1",
        "AP_SOUTHEAST_1",
        "AP_SOUTHEAST_2",
        "AP_NORTHEAST_1",
        "AP_NORTHEAST_2",
    ),
    "AZURE": (
        "US_WEST_2",
        "US_EAST",
        "US_EAST_2",
        "US_CENTRAL",
        "CANADA_CENTRAL",
        "BRAZIL_SOUTH",
        "EUROPE_NORTH",
        "EUROPE_WEST",
        "UK_SOUTH",
        "FRANCE_CENTRAL",
        "GERMANY_WEST_CENTRAL",
        "INDIA_CENTRAL",
        "ASIA_EAST",
        "ASIA_SOUTH_EAST",
        "AUSTRALIA_EAST",
        "JAPAN_EAST",
    ),
    "GCP": (
        "CENTRAL_US",
        "EASTERN_US",
        "WESTERN_US",
        "NORTH_AMERICA_NORTHEAST_1",
        "SOUTH_AMERICA_EAST_1",
        "WESTERN_EUROPE",
        "EUROPE_WEST_2",
        "EUROPE_WEST_3",
        "EUROPE_WEST_4",
        "EUROPE_NORTH_1",
        "ASIA_SOUTH_1",
        "SOUTHEASTERN_ASIA_PACIFIC",
        "EASTERN_ASIA_PACIFIC",
        "NORTHEASTERN_ASIA_PACIFIC",
        "AUSTRALIA_SOUTHEAST_1",
    ),
}
