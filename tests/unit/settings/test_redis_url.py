"""What a Redis URL says, in wooshq's, redis-py's and Celery's spelling; and errors that show no part of it."""

from __future__ import annotations

import ssl

import pytest

from wooshq.settings.redis_url import RedisUrl, redis_url
from wooshq.settings.server_url import check_broker_url, check_redis_url

SECRET = "s3cret"


class WhenAUrlIsRead:
    @pytest.mark.parametrize(
        ("url", "means"),
        [
            ("redis://", RedisUrl(hosts=(("localhost", 6379),))),
            ("redis://10.0.0.5/3", RedisUrl(hosts=(("10.0.0.5", 6379),), db=3)),
            ("redis://h:7000?db=2", RedisUrl(hosts=(("h", 7000),), db=2)),
            ("redis://me:pa%23s%2Fs%40@[::1]:7/0", RedisUrl(hosts=(("::1", 7),), username="me", password="pa#s/s@")),
            ("redis://:p[a@ss@h/0", RedisUrl(hosts=(("h", 6379),), password="p[a@ss")),
            ("unix:///tmp/a%20b/redis.sock?db=4&password=p", RedisUrl(path="/tmp/a b/redis.sock", db=4, password="p")),
            ("redis+socket:///tmp/redis.sock?virtual_host=1", RedisUrl(path="/tmp/redis.sock", db=1)),
        ],
    )
    def test_it_names_a_server_or_a_socket(self, url: str, means: RedisUrl) -> None:
        assert redis_url(url) == means

    @pytest.mark.parametrize("spelling", ["none", "CERT_NONE", "NONE"])
    def test_tls_may_be_spelt_as_in_redis_py_or_as_in_celery(self, spelling: str) -> None:
        read = redis_url(f"rediss://h/0?ssl_cert_reqs={spelling}&ssl_ca_certs=/etc/ca%2B.pem&ssl_check_hostname=False")
        assert read.tls == {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_ca_certs": "/etc/ca+.pem", "ssl_check_hostname": False}
        assert redis_url("rediss://h/0").tls == {}
        assert redis_url("redis://h/0").tls is None

    @pytest.mark.parametrize(
        "url",
        [
            "sentinel://:pw@h1:26379,h2/0?master=mymaster&sentinel_password=a+b",
            "sentinel://:pw@h1,h2:26379?master_name=mymaster&sentinel_password=a%2Bb",
            "sentinel://:pw@h1:26379;sentinel://:pw@h2:26379/0?master_name=mymaster&sentinel_password=a+b",
            "sentinel://:pw@h1/0;sentinel://:pw@h2/0?master=mymaster&sentinel_password=a+b",
        ],
    )
    def test_sentinels_may_be_listed_as_hosts_or_as_celery_lists_them(self, url: str) -> None:
        read = redis_url(url)
        assert (read.hosts, read.db, read.master, read.password) == ((("h1", 26379), ("h2", 26379)), 0, "mymaster", "pw")
        assert read.sentinel == {"password": "a+b"}
        assert read.where == "mymaster (Sentinel at h1:26379, h2:26379)"

    def test_what_may_be_shown_has_no_user_and_no_password(self) -> None:
        read = redis_url(f"redis://me:{SECRET}@[::1]:7/0")
        assert read.where == "[::1]:7"
        assert SECRET not in repr(read)


class WhenAUrlCannotBeRead:
    @pytest.mark.parametrize(
        ("url", "says"),
        [
            (f"redis://:pa#{SECRET}@h:1/0", "Write # as %23"),
            (f"redis://:pa/{SECRET}@h:1/0", "Write / as %2F"),
            (f"redis://:pa?{SECRET}@h:1/0", "Write ? as %3F"),
            (f"redis://:6379/{SECRET}@h", "Write / as %2F"),
            (f"rediss://me:p#a/{SECRET}@h/0?ssl_cert_reqs=none", "Write / as %2F, # as %23"),
            (f"sentinel://:pa/{SECRET}@h1,h2/0?master=m", "Write / as %2F"),
            (f"redis://h/0#{SECRET}", "write it as %23"),
            (f"redis://h/{SECRET}", "must end with the number of a database: /0"),
            (f"redis://h:{SECRET}/0", "the port must be a number"),
            (f"redis://h:{SECRET}]/0", "the port must be a number"),
            (f"redis://:{SECRET}@h:99999/0", "the port must be a number from 1 to 65535"),
            (f"sentinel://:{SECRET}@h:26379,h2:0/0?master=m", "the port must be a number from 1 to 65535"),
            (f"redis://h/0?{SECRET}=1", "If an & belongs to a password, write it as %26"),
            ("rediss://h/0?ssl_cert_req=none", "Did you mean ssl_cert_reqs?"),
            (f"rediss://h/0?ssl_cert_reqs={SECRET}", "ssl_cert_reqs must be none, optional or required"),
            (f"redis://h/0?db={SECRET}", "db must be a number"),
            ("redis://h/0?ssl_ca_certs=/ca.pem", "Write rediss://"),
            ("redis://h1,h2/0", "Several hosts need sentinel://"),
            ("sentinel://h1:26379/0", "must name the primary that the Sentinels watch"),
            ("http://h/0", "must begin with redis://, rediss://, unix:// or sentinel://"),
            (f"amqp://me:{SECRET}@h//", "If the broker is not Redis, the ledger still needs a Redis: set its URL here"),
        ],
    )
    def test_the_error_says_how_to_write_it_and_shows_no_part_of_it(self, url: str, says: str) -> None:
        with pytest.raises(ValueError) as refused:
            check_redis_url(url)
        assert says in str(refused.value)
        assert SECRET not in str(refused.value)

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            (f"amqp://me:pa/{SECRET}@h:5672//", "Write / as %2F"),
            (f"amqps://me:pa#{SECRET}@h//", "Write # as %23"),
            (f"amqp://h:{SECRET}//", "must have the form amqp://USER:PASSWORD@HOST:PORT/VHOST"),
            (f"amqp://ok@h1//;amqp://me:pa#{SECRET}@h2//", "Write # as %23"),
            (f"pyamqp://me:p[{SECRET}@h//", "must have the form amqp://"),
            (f"redis://:pa#{SECRET}@h/0", "Write # as %23"),
            (f"sqs://{SECRET}@", "must begin with redis://, rediss://, unix://, sentinel:// or amqp://"),
        ],
    )
    def test_a_brokers_url_is_checked_likewise(self, url: str, says: str) -> None:
        with pytest.raises(ValueError) as refused:
            check_broker_url(url)
        assert says in str(refused.value)
        assert SECRET not in str(refused.value)

    @pytest.mark.parametrize(
        "url", ["amqp://me:p%2Fa@h:5672/v%2Fhost", "amqp://a//;amqp://b:5673//", "amqp://", "redis+socket:///s?virtual_host=1"]
    )
    def test_a_valid_brokers_url_is_kept_as_it_was_written(self, url: str) -> None:
        assert check_broker_url(url) == url
