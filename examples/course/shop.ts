// The tables of the first lessons: customers with a deposit in one database, their orders in another.
import type { Tables } from './lesson.ts';

export const SHOP: Tables = {
  accounts: [
    'drop table if exists course_customer',
    'create table course_customer (id int primary key, username varchar(40) not null, deposit bigint not null check (deposit >= 0))',
    "insert into course_customer values (1, 'anna', 1000), (2, 'ben', 1000)",
  ],
  orders: [
    'drop table if exists course_order',
    'create table course_order (id varchar(36) primary key, customer_id int not null, title varchar(40) not null, amount bigint not null)',
  ],
};
